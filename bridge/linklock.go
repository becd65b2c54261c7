package bridge

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/netns"
)

// While an update is under way, there are links that no fact tells of. Another
// process that opens the firewall then must not take them for what one that died
// has left behind. So updates share a lock on the file of the network namespace,
// which ends with the process, and who looks for leftovers has it alone. It is
// no protection: any process of the host can have it, and keep us from tidying up.

// lockPatience is how long the lock is waited for. Nobody needs it longer.
const lockPatience = time.Second

var errLocked = errors.New("another process holds the lock of the network namespace")

// openLock opens the namespace's file anew: a lock belongs to what was opened once.
func openLock(ns *os.File) (f *os.File, err error) {
	err = netns.Do(ns, func() error {
		f, err = netns.Current()
		return err
	})
	return f, err
}

// lock takes the lock, shared or alone. Who shares it goes on without it after
// some time, if somebody does not give it back.
func (l *links) lock(ctx context.Context, alone bool) (unlock func(), err error) {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	fd := int(l.mutex.Fd())
	for begin := time.Now(); ; {
		err := unix.Flock(fd, how|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = unix.Flock(fd, unix.LOCK_UN) }, nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, os.NewSyscallError("flock", err)
		case time.Since(begin) > lockPatience && alone:
			return nil, errLocked
		case time.Since(begin) > lockPatience:
			return func() {}, nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
