package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Namespace is a host, a container or a neighbour: a network namespace with loopback up. Its methods that change it
// are steps of its lab (see Lab) and may be called at any time before the lab is closed.
type Namespace struct {
	lab    *Lab
	name   string
	file   *os.File
	handle *netlink.Handle
}

// Namespace adds a network namespace. The name appears in messages and is what its servers answer with; it need not be
// unique.
func (l *Lab) Namespace(name string) *Namespace {
	ns := &Namespace{lab: l, name: name}
	l.tb.Helper()
	l.step(func() error {
		var err error
		if ns.file, err = netns.New(); err != nil {
			if errors.Is(err, fs.ErrPermission) {
				err = fmt.Errorf("%w (is netlab.Main called from TestMain, or netlab.Enter first thing in main?)", err)
			}
			return err
		}
		l.onClose(ns.file.Close)
		return ns.prepare()
	}, "namespace %s", name)
	return ns
}

func (ns *Namespace) prepare() error {
	err := ns.Do(func() error {
		for _, s := range defaults {
			if err := writeSysctl(s.key, s.value); err != nil && (!s.optional || !errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
		handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open rtnetlink: %w", err)
		}
		ns.handle = handle
		return nil
	})
	if err != nil {
		return err
	}
	ns.lab.onClose(func() error { ns.handle.Close(); return nil })
	return ns.setLink("lo", ns.handle.LinkSetUp)
}

// defaults undoes what namespaces may inherit from the machine's initial one, and what makes tests wait or miss errors.
var defaults = []struct {
	key, value string
	optional   bool // depends on the kernel's version or configuration
}{
	{"net.ipv4.ip_forward", "0", false}, // first: it resets other settings
	{"net.ipv4.conf.all.rp_filter", "0", false},
	{"net.ipv4.conf.default.rp_filter", "0", false},
	{"net.ipv4.conf.all.route_localnet", "0", false},
	{"net.ipv4.conf.default.route_localnet", "0", false},
	{"net.ipv4.conf.all.accept_local", "0", false},
	{"net.ipv4.conf.default.accept_local", "0", false},
	{"net.ipv4.conf.all.arp_ignore", "0", false},
	{"net.ipv4.conf.default.arp_ignore", "0", false},
	{"net.ipv4.conf.all.arp_announce", "0", false},
	{"net.ipv4.conf.default.arp_announce", "0", false},
	{"net.ipv4.icmp_ratemask", "0", false}, // no kind of ICMP message is limited
	{"net.ipv6.conf.all.disable_ipv6", "0", false},
	{"net.ipv6.conf.default.disable_ipv6", "0", false},
	{"net.ipv6.conf.lo.disable_ipv6", "0", false},
	{"net.ipv6.conf.all.forwarding", "0", false},
	{"net.ipv6.conf.default.accept_dad", "0", false},
	{"net.ipv6.conf.default.dad_transmits", "0", false},
	{"net.ipv6.conf.all.accept_ra", "0", false},
	{"net.ipv6.conf.default.accept_ra", "0", false},
	{"net.ipv6.icmp.ratelimit", "0", false},
	{"net.ipv6.icmp.ratemask", "0", true},
}

// Name returns the name given to Lab.Namespace.
func (ns *Namespace) Name() string { return ns.name }

// String returns the name.
func (ns *Namespace) String() string { return ns.name }

// File returns an open file on the namespace, which the lab closes; nil if the namespace could not be made.
func (ns *Namespace) File() *os.File { return ns.file }

// Netlink returns a handle on the namespace's links, addresses and routes for whatever has no method here; the lab closes
// it. It is nil if the namespace could not be made.
func (ns *Namespace) Netlink() *netlink.Handle { return ns.handle }

// Do runs f on an OS thread that is inside the namespace and returns its error; see netns.Do.
func (ns *Namespace) Do(f func() error) error {
	if ns.file == nil {
		return fmt.Errorf("netlab: namespace %s was not made: %w", ns.name, ns.lab.Err())
	}
	return netns.Do(ns.file, f)
}

// SetSysctl writes a setting such as "net.ipv4.ip_forward". Where a part of the key has dots of its own, separate the
// parts by slashes, as sysctl(8) does: "net/ipv4/conf/eth0.5/rp_filter".
func (ns *Namespace) SetSysctl(key, value string) {
	ns.lab.tb.Helper()
	ns.lab.step(func() error { return ns.Do(func() error { return writeSysctl(key, value) }) }, "%s: set sysctl", ns.name)
}

// Sysctl returns the value of a setting without the trailing newline; see SetSysctl for the key.
func (ns *Namespace) Sysctl(key string) string {
	var value []byte
	ns.lab.tb.Helper()
	ns.lab.step(func() error {
		return ns.Do(func() (err error) { value, err = os.ReadFile(sysctlPath(key)); return err })
	}, "%s: read sysctl", ns.name)
	return strings.TrimSuffix(string(value), "\n")
}

// Forward switches forwarding between interfaces on, for both families: the namespace becomes a router.
func (ns *Namespace) Forward() {
	ns.lab.tb.Helper()
	ns.SetSysctl("net.ipv4.ip_forward", "1")
	ns.SetSysctl("net.ipv6.conf.all.forwarding", "1")
}

func sysctlPath(key string) string {
	if !strings.Contains(key, "/") {
		key = strings.ReplaceAll(key, ".", "/")
	}
	return filepath.Join("/proc/sys", key)
}

func writeSysctl(key, value string) error {
	// Without O_CREATE: a mistyped key is "no such file", not "permission denied".
	file, err := os.OpenFile(sysctlPath(key), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	return errors.Join(err, file.Close())
}
