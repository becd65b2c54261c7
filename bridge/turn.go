package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/seawall-net/seawall/nft"
	"golang.org/x/sys/unix"
)

// Firewalls of several processes on one host take turns by the generation: who
// loses the compare-and-swap to another takes over what that one has done, and
// tries again. A commit that names no generation, as it takes next to busy
// strangers, or somebody who has lost often, needs more: the turn. It is a table
// that the kernel lets exist once, and that belongs to the socket that made it,
// so that it goes when its process ends. Nobody takes over a generation while the
// turn is another's. Since it came with a generation of its own, commits that
// were under way fail. It goes with the commit that it was taken for.

// turnTable is the table that is the turn.
var turnTable = nft.Table{Family: nft.IPv4, Name: "seawall-turn", Flags: nft.TableOwner}

// turnPause is about how long to wait until asking again for the turn, or whether
// it is over: the kernel does not say when it goes with its process.
const turnPause = 500 * time.Microsecond

// turnPatience is how long it takes until waiting is worth a warning.
const turnPatience = 5 * time.Second

// errNoTurns says that the kernel has no tables that belong to a socket (before
// Linux 5.12).
var errNoTurns = errors.New("the kernel has no tables with an owner")

// takeTurn waits for the turn, and takes it.
func (fw *Firewall) takeTurn(ctx context.Context) error {
	if fw.turn {
		return nil
	}
	if fw.noTurns {
		return errNoTurns
	}
	var b nft.Batch
	b.Create(&turnTable)
	return fw.poll(ctx, func() (bool, error) {
		start := time.Now()
		result, err := fw.conn.Commit(ctx, b)
		switch {
		case err == nil:
			fw.turn = true
			fw.trace(opTurn, b, result, time.Since(start))
			return true, nil
		case errors.Is(err, unix.EPERM), errors.Is(err, unix.EEXIST):
			return false, nil // another's
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
			fw.noTurns = true
			return true, errNoTurns
		case errors.Is(err, nft.ErrUnknownOutcome):
			fw.turn = true // perhaps
			fw.endTurn()
		}
		return true, fmt.Errorf("take the turn: %w", err)
	})
}

// endTurn gives the turn back, unless a commit has.
func (fw *Firewall) endTurn() {
	if !fw.turn {
		return
	}
	var b nft.Batch
	b.Delete(&turnTable)
	// The answer may get lost, and the table be gone.
	for range 3 {
		_, err := fw.conn.Commit(context.Background(), b)
		if err == nil || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) {
			fw.turn = false
			return
		}
	}
	fw.logger.LogAttrs(context.Background(), slog.LevelError, "others may have to wait until this firewall's next update, or until it is closed")
}

// awaitTurn waits until the turn is nobody else's.
func (fw *Firewall) awaitTurn(ctx context.Context) error {
	if fw.turn {
		return nil
	}
	return fw.poll(ctx, func() (bool, error) {
		taken, err := fw.conn.HasTable(ctx, turnTable.Ref())
		return !taken, err
	})
}

// poll calls f, again and again, until it returns true or an error, or ctx is done.
func (fw *Firewall) poll(ctx context.Context, f func() (bool, error)) error {
	begin, warned := time.Now(), false
	for {
		done, err := f()
		if done || err != nil {
			return err
		}
		if !warned && time.Since(begin) > turnPatience {
			warned = true
			fw.logger.LogAttrs(ctx, slog.LevelWarn, "waiting for another process, which updates the firewall",
				slog.String("table", turnTable.Name))
		}
		t := time.NewTimer(turnPause/2 + rand.N(turnPause))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}
