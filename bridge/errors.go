package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
	"golang.org/x/sys/unix"
)

var (
	errExist    = fs.ErrExist
	errNotExist = fs.ErrNotExist
	errInvalid  = fs.ErrInvalid
)

// ErrFamilyDisabled says that packets of a family are left alone, so that rules
// of DOCKER-USER would be without effect: see Config.DisableIPv4.
var ErrFamilyDisabled = errors.New("the family is disabled: nothing would look at its rules")

// ErrClosed says that the Firewall was closed, or torn down.
var ErrClosed = errors.New("bridge: the firewall is closed")

// A DriftError says that objects of ours in the kernel are not what they should
// be, and that it was not another Firewall which has changed them. Nothing was
// applied.
type DriftError struct {
	// Repair is the batch that would bring the kernel back.
	Repair nft.Batch
}

// Error tells what differs.
func (e *DriftError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.Repair.String()), "\n")
	more := ""
	if n := len(lines); n > 3 {
		lines, more = lines[:3], fmt.Sprintf(" and %d more", n-3)
	}
	return fmt.Sprintf("the ruleset in the kernel was changed by others: call Heal to bring it back (%s%s)",
		strings.Join(lines, "; "), more)
}

// A PortError says that the kernel does not let the firewall hold a port of the
// host. It matches fs.ErrExist if another process has the port; the kernel's own
// reason is there for errors.Is, too: unix.EADDRINUSE, unix.EADDRNOTAVAIL for an
// address that the host does not have, unix.EMFILE where there are more ports
// than the process may have open files.
type PortError struct {
	// Claim is one port of one address.
	Claim portmap.Claim
	// Err is what went wrong.
	Err error
}

// Error names the port, the operation and the kernel's reason, and what to do.
func (e *PortError) Error() string {
	what := ""
	switch {
	case errors.Is(e.Err, unix.EADDRINUSE):
		what = ": another process has the port"
	case errors.Is(e.Err, unix.EADDRNOTAVAIL):
		what = ": the host has no such address"
	case errors.Is(e.Err, unix.EMFILE):
		what = ": each published port takes a file for every address: raise RLIMIT_NOFILE"
		var limit unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
			what += fmt.Sprintf(", which is %d", limit.Cur)
		}
		what += ", or hold no ports (Config.UnheldPorts)"
	}
	return fmt.Sprintf("hold %v: %v%s", e.Claim, e.Err, what)
}

// Unwrap returns Err.
func (e *PortError) Unwrap() error { return e.Err }

// Is makes the error an fs.ErrExist if another process has the port.
func (e *PortError) Is(target error) bool {
	return target == fs.ErrExist && errors.Is(e.Err, unix.EADDRINUSE)
}

// A NoPortError says that none of the host ports that a binding leaves to choose
// from can be had. It matches fs.ErrExist.
type NoPortError struct {
	Binding portmap.Binding
	// Among are the ports to choose from.
	Among portmap.Ports
	// Last is what was wrong with the last of them: a [*PortError] or a
	// [*portmap.ConflictError]. It is nil if there was none to try.
	Last error
}

// Error names the binding, the ports, and the reason for one.
func (e *NoPortError) Error() string {
	if e.Last == nil {
		return fmt.Sprintf("%v: there are no %d consecutive ports among %v that are not reserved (net.ipv4.ip_local_reserved_ports)",
			e.Binding, e.Binding.Container.Len(), e.Among)
	}
	return fmt.Sprintf("%v: no port among %v is free; the last: %v", e.Binding, e.Among, e.Last)
}

// Unwrap returns Last.
func (e *NoPortError) Unwrap() error { return e.Last }

// Is makes the error an fs.ErrExist.
func (e *NoPortError) Is(target error) bool { return target == fs.ErrExist }
