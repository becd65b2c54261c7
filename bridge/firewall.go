package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A Firewall keeps the rules of a host's networks in the kernel. Its methods
// may be called by any number of goroutines: updates take turns.
type Firewall struct {
	cfg    Config
	layout Layout
	ns     *os.File
	conn   *nft.Conn
	links  *links
	logger *slog.Logger

	mu    sync.Mutex
	state *state
	// sockets hold the published ports; nil if nothing does.
	sockets *sockets
	chooser portmap.Chooser
	union   *nft.Union
	// generation is the ruleset's when our objects were last known to be as
	// they should be.
	generation uint32
	// witness listens to other writers while there are any.
	witness *witness
	// turn tells that the turn is ours, noTurns that the kernel has none.
	turn, noTurns bool
	// flows are ended when what they were translated by has changed.
	flows flows
	// kept is what our objects had counted when they were last read.
	kept   keptCounters
	closed bool
	// ended is closed with the firewall.
	ended chan struct{}
	// watched says that somebody watches, and anchor is what he holds.
	watched bool
	anchor  *anchor
	// watchBuffer is the size of what Watch may have unread; zero is a default.
	watchBuffer int
	// moved tells that the layout of before, if there was another, is none of our
	// business any more.
	moved bool
	// view is the snapshot of the present state, once somebody asked for it.
	view *View
}

// Open starts the firewall of a host. If the host has one already, its networks,
// endpoints and bindings are taken over without writing anything; otherwise
// the tables are made, with no networks.
//
// It fails with fs.ErrPermission without CAP_NET_ADMIN, with
// errors.ErrUnsupported where the kernel lacks nf_tables, with a [*DriftError]
// if the tables that are there were changed by others, and with
// [ErrForeignTable] if they were made by something else. A published port that
// another process has taken since is no failure: see [Firewall.UnheldPorts].
func Open(ctx context.Context, cfg Config) (*Firewall, error) {
	fw := newFirewall(cfg)
	if err := fw.open(ctx); err != nil {
		return nil, errors.Join(err, fw.release())
	}
	return fw, nil
}

// newFirewall returns a firewall that has no facts and no connection.
func newFirewall(cfg Config) *Firewall {
	fw := &Firewall{cfg: cfg, layout: cfg.Layout, logger: cfg.Logger, state: newState(), union: nft.NewUnion(), ended: make(chan struct{})}
	if fw.layout == nil {
		fw.layout = Native()
	}
	if fw.logger == nil {
		fw.logger = slog.New(slog.DiscardHandler)
	}
	return fw
}

func (fw *Firewall) open(ctx context.Context) (err error) {
	if fw.ns, err = namespace(fw.cfg.NetNS); err != nil {
		return err
	}
	if fw.conn, err = nft.Dial(nft.Config{NetNS: fw.ns}); err != nil {
		return fmt.Errorf("bridge: open: %w", err)
	}
	if !fw.cfg.RulesOnly {
		if fw.links, err = openLinks(fw.ns); err != nil {
			return fmt.Errorf("bridge: open: %w", err)
		}
	}
	missing, err := fw.account()
	if err != nil {
		return fmt.Errorf("bridge: open: %w", err)
	}
	if err := fw.adopt(ctx); err != nil {
		return err
	}
	if missing { // until now the kernel had no reason to track connections
		if _, err := fw.account(); err != nil {
			return fmt.Errorf("bridge: open: %w", err)
		}
	}
	if !fw.cfg.RulesOnly && !fw.cfg.UnheldPorts {
		fw.holdAll(ctx)
	}
	fw.logger.LogAttrs(ctx, slog.LevelInfo, "firewall opened", slog.String("layout", fw.layout.Name()),
		slog.Int("networks", len(fw.state.networks)), slog.Uint64("generation", uint64(fw.generation)))
	return nil
}

// namespace returns a file of our own on a network namespace.
func namespace(f *os.File) (*os.File, error) {
	if f == nil {
		ns, err := netns.Current()
		if err != nil {
			return nil, fmt.Errorf("bridge: open network namespace: %w", err)
		}
		return ns, nil
	}
	ns, err := netns.Dup(f)
	if err != nil {
		return nil, fmt.Errorf("bridge: open network namespace: %w", err)
	}
	return ns, nil
}

// NetNS is the network namespace that the firewall works in: an open file of its
// own, which Close closes.
func (fw *Firewall) NetNS() *os.File { return fw.ns }

// Close ends the work on the firewall. The rules stay in force; the next Open
// takes them over. Published ports are held no longer: until then, other processes
// can take them, although packets from outside do not reach them.
func (fw *Firewall) Close() error {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	if fw.closed {
		return nil
	}
	return fw.release()
}

func (fw *Firewall) release() error {
	var errs []error
	errs = append(errs, fw.dropAnchor(context.Background()))
	fw.closed = true
	close(fw.ended)
	fw.releaseWitness()
	fw.flows.close()
	fw.sockets.closeAll()
	if fw.links != nil {
		fw.links.close()
	}
	if fw.conn != nil {
		errs = append(errs, fw.conn.Close())
	}
	if fw.ns != nil {
		errs = append(errs, fw.ns.Close())
	}
	return errors.Join(errs...)
}

// View returns the facts that hold now: an immutable snapshot. It is taken when
// it is first asked for after an update, in time that grows with the number of
// facts.
func (fw *Firewall) View() *View {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	if fw.view == nil {
		fw.view = fw.state.view()
	}
	return fw.view
}

// Generation is the generation of the ruleset when the firewall's objects were
// last known to be as they should be. If that is not the kernel's, somebody has
// committed something since: others in tables of their own, or in ours. After a
// transaction whose outcome was lost it is none that there ever was.
func (fw *Firewall) Generation() uint32 {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	return fw.generation
}

// Ruleset reads the firewall's tables from the kernel, DOCKER-USER included.
func (fw *Firewall) Ruleset(ctx context.Context) (*nft.Ruleset, error) {
	return fw.conn.Load(ctx, fw.layout.Tables()...)
}

// Desired returns what the kernel should hold: the layout's objects for all
// facts.
func (fw *Firewall) Desired() *nft.Ruleset {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	return fw.union.Ruleset()
}
