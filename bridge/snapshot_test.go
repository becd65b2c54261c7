package bridge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// A snapshot is all that the firewall has made on the host, as lines: rules as nft shows them, what is kept with each
// object, links with their addresses, and sysctls.
func (w *world) snapshot() []string {
	w.t.Helper()
	return slices.Concat(w.rules(w.filled()...), w.links())
}

// filled are the tables of the layout, but for iptables' raw and mangle while they have no rule: once they were needed
// they stay, as in Docker.
func (w *world) filled() []nft.TableRef {
	w.t.Helper()
	rs := w.load(w.tables()...)
	return slices.DeleteFunc(w.tables(), func(t nft.TableRef) bool {
		return (t.Name == "raw" || t.Name == "mangle") && !slices.ContainsFunc(rs.Chains(t), func(c *nft.Chain) bool {
			return len(rs.Rules(c.Ref())) > 0
		})
	})
}

// snapshotWithSockets is for hosts without servers that come and go.
func (w *world) snapshotWithSockets() []string {
	w.t.Helper()
	return slices.Concat(w.snapshot(), w.held())
}

// held is the host's sockets, those of its own servers included.
func (w *world) held() []string {
	w.t.Helper()
	var lines []string
	for _, s := range w.host.Listening() {
		lines = append(lines, s.String())
	}
	return lines
}

// rules is the contents of tables without counts, in their order, and with the userdata of each object.
func (w *world) rules(tables ...nft.TableRef) []string {
	w.t.Helper()
	rs := w.load(tables...)
	var text strings.Builder
	if err := rs.Print(&text, nft.PrintOptions{Stateless: true}); err != nil {
		w.t.Fatal(err)
	}
	lines := strings.Split(text.String(), "\n")
	for o := range rs.Objects() {
		lines = append(lines, fmt.Sprintf("%s userdata %q", o.ID(), userdata(o)))
	}
	return lines
}

func userdata(o nft.Object) string {
	switch o := o.(type) {
	case *nft.Table:
		return o.Userdata
	case *nft.Chain:
		return o.Userdata
	case *nft.Set:
		return o.Userdata
	case *nft.Rule:
		return o.Userdata
	case *nft.Element:
		return o.Userdata
	}
	return ""
}

// links is the host's links, with their addresses and routes, and what is set about forwarding and bridges.
func (w *world) links() []string {
	w.t.Helper()
	var lines []string
	h := w.host.Netlink()
	all, err := h.LinkList()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range all {
		lines = append(lines, fmt.Sprintf("link %s %s", l.Attrs().Name, l.Type()))
		addrs, err := h.AddrList(l, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, a := range addrs {
			lines = append(lines, fmt.Sprintf("address %s %s", l.Attrs().Name, a.IPNet))
		}
	}
	err = w.host.Do(func() error {
		for _, pattern := range []string{
			"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/*/route_localnet",
			"net/ipv6/conf/*/accept_ra", "net/ipv6/conf/*/disable_ipv6",
		} {
			paths, err := filepath.Glob("/proc/sys/" + pattern)
			if err != nil {
				return err
			}
			for _, p := range paths {
				value, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				lines = append(lines, p+" "+strings.TrimSpace(string(value)))
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// sameAs compares snapshots.
func (w *world) sameAs(when string, got, want []string) {
	w.t.Helper()
	for _, line := range got {
		if !slices.Contains(want, line) {
			w.t.Errorf("%s: there is now: %s", when, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			w.t.Errorf("%s: there is no more: %s", when, line)
		}
	}
	if !w.t.Failed() && !slices.Equal(got, want) {
		w.t.Errorf("%s: another order:\n%s\nwant\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// facts is what a firewall's view holds, as lines.
func facts(fw *bridge.Firewall) []string {
	var lines []string
	v := fw.View()
	for n := range v.Networks() {
		lines = append(lines, fmt.Sprintf("%d %+v", n.Order, n.Spec))
		for e := range v.Endpoints(n) {
			lines = append(lines, fmt.Sprintf("%d %s %+v", e.Order, e, e.Spec))
			for b := range v.Bindings(e) {
				lines = append(lines, fmt.Sprintf("%d %s %s %v %v", b.Order, e, b, b.Claims(), b.Scope()))
			}
			for l := range v.Links(e) {
				lines = append(lines, fmt.Sprintf("%d %s", l.Order, l))
			}
		}
	}
	return lines
}

// generation is the number of the ruleset's last change.
func (w *world) generation() uint32 {
	w.t.Helper()
	return w.load(w.tables()...).Generation
}
