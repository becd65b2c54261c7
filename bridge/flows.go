package bridge

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/seawall-net/seawall/internal/conntrack"
)

// The kernel decides with the first packet of a flow where it leads, and keeps to
// it while the flow lasts: for a UDP client that never pauses, for ever. So after
// every commit, flows are ended that the facts as they are now would not lead
// where they lead. What is looked for is only what the Update has changed.

// flows ends tracked flows. The zero value is ready to use.
type flows struct {
	// conn is dialled when it is first needed.
	conn *conntrack.Conn
	// due are the changes of which stale flows may be left: those of the present
	// Update, and of earlier ones if something has failed.
	due [][]applied
	// all says that anything may have changed.
	all bool
}

// maxDue is how many changes are kept for another attempt.
const maxDue = 1 << 18

// worthFiltering is how many flows there must be on the host until it pays to
// let the kernel look for one port: that takes one pass over its table for each
// family rather than one for both.
const worthFiltering = 1 << 13

// owe notes changes that were committed, whether they last or are taken back.
func (f *flows) owe(log []applied) {
	if len(log) > 0 {
		f.due = append(f.due, log)
	}
}

// purge ends stale flows. That it fails does not undo the update: what is due is
// kept for the next time.
func (fw *Firewall) purge(ctx context.Context) {
	f := &fw.flows
	if fw.closed || len(f.due) == 0 && !f.all {
		return
	}
	ctx = context.WithoutCancel(ctx) // the commit holds, and this is its other half
	n, err := fw.tryPurge(ctx)
	if err != nil {
		f.close() // what is left of its answer must not be taken for another's
		var again int
		again, err = fw.tryPurge(ctx)
		n += again
	}
	if n > 0 {
		fw.logger.LogAttrs(ctx, slog.LevelDebug, "stale flows ended", slog.Int("flows", n))
	}
	if err == nil {
		f.due, f.all = nil, false
		return
	}
	f.close()
	fw.logger.LogAttrs(ctx, slog.LevelWarn, "flows may go on as before the update: ending them is tried again with the next", slog.Any("error", err))
	for kept, i := 0, len(f.due)-1; i >= 0; i-- {
		if kept += len(f.due[i]); kept > maxDue {
			f.due = append([][]applied(nil), f.due[i+1:]...)
			break
		}
	}
}

func (fw *Firewall) tryPurge(ctx context.Context) (ended int, err error) {
	f := &fw.flows
	if f.conn == nil {
		if f.conn, err = conntrack.Dial(fw.ns); err != nil {
			return 0, err
		}
	}
	count, err := f.conn.Count(ctx)
	if err != nil || count == 0 {
		return 0, err
	}
	s := fw.staleFlows()
	if s.empty() {
		return 0, nil
	}
	filter := s.filter
	if count < worthFiltering {
		filter = conntrack.Filter{}
	}
	ended, err = f.conn.Sweep(ctx, filter, s.has)
	return ended, errors.Join(err, s.err)
}

// staleFlows is what is due.
func (fw *Firewall) staleFlows() *staleFlows {
	s := &staleFlows{
		state: fw.state, all: fw.flows.all,
		host:    sync.OnceValues(func() (prefixSet, error) { return localAddrs(fw.ns) }),
		subnets: sync.OnceValue(fw.state.subnets),
	}
	for _, log := range fw.flows.due {
		for _, a := range log {
			switch fact := a.fact.(type) {
			case *Binding:
				s.addBinding(fact)
			case *Endpoint:
				s.addEndpoint(fact)
			case *ContainerLink:
				if !a.add {
					s.addLink(fact)
				}
			case *Network:
				if !a.add {
					s.addNetwork(fact)
				}
			}
		}
	}
	s.finish()
	return s
}

// subnets are those of all networks.
func (s *state) subnets() (all prefixSet) {
	for _, n := range s.networks {
		all = appendSubnets(all, n.fact)
	}
	all.sort()
	return all
}

func (f *flows) close() {
	if f.conn != nil {
		_ = f.conn.Close()
		f.conn = nil
	}
}
