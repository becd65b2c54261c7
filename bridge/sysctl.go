package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/seawall-net/seawall/internal/netns"
)

func inNamespace(ns *os.File, f func() error) error { return netns.Do(ns, f) }

// bridgeSysctls prepares a bridge before it comes up. One that is the caller's
// own keeps what it has, but for what the network says outright: it may
// have addresses and routes of others.
func (l *links) bridgeSysctls(n *Network, own bool) error {
	conf := "net/ipv6/conf/" + n.Spec.Bridge
	return netns.Do(l.ns, func() error {
		switch {
		case n.Spec.IPv6.exists() && n.Spec.IPv6.Mode != Isolated:
			if err := setSysctl(conf+"/disable_ipv6", "0"); err != nil || !own {
				return err
			}
			// No container advertises routes to the host.
			return setSysctl(conf+"/accept_ra", "0")
		case n.Spec.IPv6.exists() || own:
			return disableIPv6(n.Spec.Bridge)
		}
		return nil
	})
}

// disableIPv6 keeps an interface from having any IPv6 address, a link-local one
// included.
func disableIPv6(ifName string) error {
	err := setSysctl("net/ipv6/conf/"+ifName+"/disable_ipv6", "1")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there is no IPv6 at all
	}
	return err
}

// setSysctl writes a sysctl, unless it has the value already: a read-only
// /proc/sys with the right value is fine.
func setSysctl(key, value string) error {
	have, err := sysctl(key)
	switch {
	case err != nil:
		return fmt.Errorf("set sysctl %s to %s: %w", dotted(key), value, err)
	case have == value:
		return nil
	}
	if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0); err != nil {
		return fmt.Errorf("set sysctl %s to %s (it is %s): %w", dotted(key), value, have, err)
	}
	return nil
}

func dotted(key string) string { return strings.ReplaceAll(key, "/", ".") }

// sysctl reads a sysctl.
func sysctl(key string) (string, error) {
	b, err := os.ReadFile("/proc/sys/" + key)
	return string(bytes.TrimSpace(b)), err
}
