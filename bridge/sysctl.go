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

// bridgeSysctls prepares a bridge before it comes up.
func (l *links) bridgeSysctls(n *Network) error {
	name := n.Spec.Bridge
	return netns.Do(l.ns, func() error {
		if n.Spec.IPv6.exists() && n.Spec.IPv6.Mode != Isolated {
			if err := setSysctl("net/ipv6/conf/"+name+"/disable_ipv6", "0"); err != nil {
				return err
			}
			// No container advertises routes to the host.
			return setSysctl("net/ipv6/conf/"+name+"/accept_ra", "0")
		}
		err := setSysctl("net/ipv6/conf/"+name+"/disable_ipv6", "1")
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the host has no IPv6 at all
		}
		return err
	})
}

// setSysctl writes a sysctl, unless it has the value already: a read-only
// /proc/sys with the right value is fine.
func setSysctl(key, value string) error {
	path := "/proc/sys/" + key
	have, err := os.ReadFile(path)
	if err == nil && string(bytes.TrimSpace(have)) == value {
		return nil
	}
	if err == nil {
		err = os.WriteFile(path, []byte(value), 0)
	}
	if err != nil {
		return fmt.Errorf("set sysctl %s to %s: %w", dotted(key), value, err)
	}
	return nil
}

func dotted(key string) string { return strings.ReplaceAll(key, "/", ".") }

// sysctl reads a sysctl.
func sysctl(key string) (string, error) {
	b, err := os.ReadFile("/proc/sys/" + key)
	return string(bytes.TrimSpace(b)), err
}
