package bridge_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/portmap"
)

func linkPorts(specs ...string) []bridge.LinkPort {
	var all []bridge.LinkPort
	for _, s := range specs {
		p, err := bridge.ParseLinkPort(s)
		if err != nil {
			panic(err)
		}
		all = append(all, p)
	}
	return all
}

func (w *world) link(network, from, to string, specs ...string) {
	w.t.Helper()
	w.update(func(tx *bridge.Tx) { tx.Network(network).Endpoint(from).Link(to, linkPorts(specs...)...) })
}

// linkable is a world with three endpoints in a network without ICC.
func linkable(t *testing.T, change func(*bridge.NetworkSpec)) *world {
	t.Helper()
	w := newWorld(t, bridge.Config{})
	w.create(with(specA, func(s *bridge.NetworkSpec) { s.DisableICC = true; change(s) }))
	for i, name := range []string{"a1", "a2", "a3"} {
		w.container("a", name, 2+i)
	}
	w.serve("a2", 9000, 9001, 9002)
	return w
}

// A link opens what it names, in its direction, whatever br_netfilter does.
func TestContainerLinks(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*bridge.NetworkSpec){
		"nat": func(*bridge.NetworkSpec) {}, "internal": func(s *bridge.NetworkSpec) { s.Internal = true },
		"routed": func(s *bridge.NetworkSpec) { s.IPv4.Mode, s.IPv6.Mode = bridge.Routed, bridge.Routed },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachFilter(t, func(t *testing.T, filter string) { linksOpen(t, filter, name, change) })
		})
	}
}

func linksOpen(t *testing.T, filter, kind string, change func(*bridge.NetworkSpec)) {
	w := linkable(t, change)
	w.filterBridges(filter)
	before := w.rules()
	w.link("a", "a1", "a2", "80", "80/udp", "80/sctp", "9000-9001", "90", "90/udp")
	opened, rest := "a2 sees a1  [links-of-ipv4: silent]", "silent"
	if kind == "internal" {
		opened, rest = "a2 sees a1  [links-of-internal: closed]", "silent  [links-of-internal: closed]"
	}
	ping := "silent"
	if kind == "routed" {
		ping = "silent  [icmp-of-routed: delivered]"
	}
	table := `
		a1    tcp,udp,sctp  a2:80    ` + opened + `
		a1    tcp           a2:9001  ` + opened + `
		a1    tcp           a2:9002  ` + rest + `
		a1    udp           a2:9000  ` + rest + `
		a1    tcp,udp       a2:81    ` + rest + `
		a1    icmp          a2       ` + ping + `
		# Nobody else, and nothing back.
		a2    tcp,udp,sctp  a1:80    closed
		a3    tcp,udp,sctp  a2:80    closed
		a1    tcp,udp       a3:80    closed
	`
	w.fates(table)
	// Docker lets the sibling send from the linked port to any of the other's.
	back := "silent"
	if kind != "internal" {
		back = "delivered"
	}
	for i := range w.families() {
		want := "silent"
		if i == 0 && w.differs("links-both-ways", i) {
			want = back
		}
		for _, proto := range []string{"tcp", "udp"} {
			p := netlab.Probe{
				From: w.spaces["a2"], Proto: proto, Source: netip.AddrPortFrom(w.addrs["a2"][i], 90), To: netip.AddrPortFrom(w.addrs["a1"][i], 81),
			}
			if r := w.Probe(p); r.Outcome.String() != want && (i == 0 || r.Outcome != netlab.Unreachable) {
				t.Errorf("%s from port 90: %v, want %s", proto, r, want)
			}
		}
	}
	w.adopts()
	w.fates(table)
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Unlink("a2", linkPorts("80/udp", "9000-9001")...) })
	w.fates(`
		a1    tcp,sctp  a2:80    ` + opened + `
		a1    udp       a2:80    ` + rest + `
		a1    tcp       a2:9001  ` + rest + `
	`)
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Unlink("a2") })
	w.fates(`
		a1    tcp,sctp  a2:80    closed
	`)
	w.sameAs("unlinked", w.rules(), before)
}

// What an endpoint sends to a sibling by the host is routed, whatever br_netfilter does.
func TestContainerLinksOfRoutedPackets(t *testing.T) {
	t.Parallel()
	w := linkable(t, func(*bridge.NetworkSpec) {})
	w.filterBridges(filterOff)
	w.link("a", "a1", "a2", "80", "80/udp")
	w.frames(`
		a1   tcp,udp  a2:80  a2 answers  [links-of-ipv4: a2 gets nothing]
		a1   tcp,udp  a2:81  a2 gets nothing
		a3   tcp,udp  a2:80  a2 gets nothing
		a2   tcp,udp  a1:80  a1 gets nothing
	`)
}

// Links go with either end. They have no objects but a record where they change nothing.
func TestContainerLinksComeAndGo(t *testing.T) {
	t.Parallel()
	w := linkable(t, func(*bridge.NetworkSpec) {})
	w.filterBridges(filterOn)
	w.networkB()
	w.container("b", "b1", 2)
	w.container("b", "b2", 3)
	w.attach("a", "a4", 9)
	before := w.rules()
	w.link("b", "b1", "b2", "80")
	if got := len(w.rules()) - len(before); got == 0 {
		t.Error("a link in a network with ICC is not kept")
	}
	w.fates(`
		b1   tcp,udp  b2:81  b2 sees b1
		b2   tcp,udp  b1:80  b1 sees b2
	`)
	w.update(func(tx *bridge.Tx) { tx.Network("b").Endpoint("b1").Unlink("b2", linkPorts("80")...) })
	w.sameAs("the network with ICC", w.rules(), before)

	w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("a4") })
	before = w.rules()
	for _, ends := range [][2]string{{"a4", "a2"}, {"a1", "a4"}} {
		w.attach("a", "a4", 9)
		w.link("a", "a3", "a2", "80-81")
		w.link("a", ends[0], ends[1], "80-90", "80/udp")
		w.adopts()
		w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("a4") })
		w.fates(`
			a3   tcp  a2:81  a2 sees a3  [links-of-ipv4: closed]
			a1   tcp  a2:81  closed
		`)
		w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a3").Unlink("a2") })
		w.sameAs("detached", w.rules(), before)
	}
	// Overlapping ports stay as long as one of the links does. These two have not asked for each other before.
	w.link("a", "a3", "a1", "80-82", "80")
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a3").Unlink("a1", linkPorts("80-82")...) })
	w.fates(`
		a3   tcp  a1:80  a1 sees a3  [links-of-ipv4: closed]
		a3   tcp  a1:81  silent
		a1   tcp  a3:80  silent
	`)
	w.link("a", "a1", "a3", "80")
	w.fates(`
		a1   tcp  a3:80  a3 sees a1  [links-of-ipv4: closed]
	`)
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
	w.kernelIsDesired("the network is gone")
}

func TestBadContainerLinks(t *testing.T) {
	t.Parallel()
	w := refusing(t)
	w.needsIPv6()
	w.network("mixed", "172.30.7.0/24", "fd00:30:7::/64")
	w.update(func(tx *bridge.Tx) {
		n := tx.Network("mixed")
		n.Attach(endpoint("four", "172.30.7.2", ""))
		n.Attach(endpoint("six", "", "fd00:30:7::2"))
		tx.Network("n1").Endpoint("a").Link("b", linkPorts("80")...)
	})
	link := func(network, from, to string, ports ...bridge.LinkPort) func(*bridge.Tx) {
		return func(tx *bridge.Tx) { tx.Network(network).Endpoint(from).Link(to, ports...) }
	}
	unlink := func(from, to string, specs ...string) func(*bridge.Tx) {
		return func(tx *bridge.Tx) { tx.Network("n1").Endpoint(from).Unlink(to, linkPorts(specs...)...) }
	}
	some := linkPorts("81")[0]
	w.refusals([]refusal{
		{name: "itself", change: link("n1", "a", "a", some), is: fs.ErrInvalid, text: "link n1/a to n1/a"},
		{name: "nobody", change: link("n1", "a", "z", some), is: fs.ErrNotExist, text: "n1/z"},
		{name: "another network's", change: link("n1", "a", "c", some), is: fs.ErrNotExist, text: "n1/c"},
		{name: "no port", change: link("n1", "a", "b"), is: fs.ErrInvalid, text: "no ports"},
		{name: "port 0", field: "port", change: link("n1", "a", "b", bridge.LinkPort{})},
		{name: "reversed", field: "port", change: link("n1", "a", "b", bridge.LinkPort{Ports: portmap.Ports{First: 9, Last: 8}})},
		{name: "protocol", field: "protocol", change: link("n1", "a", "b", bridge.LinkPort{Ports: portmap.Port(80), Proto: 9})},
		{name: "again", change: link("n1", "a", "b", linkPorts("80")...), is: fs.ErrExist, text: "bridge: link n1/a to n1/b: 80/tcp"},
		{name: "other families", change: link("mixed", "four", "six", some), is: fs.ErrInvalid, text: "no address of the same family"},
		{name: "no such link", change: unlink("a", "b", "82"), is: fs.ErrNotExist, text: "n1/b 82/tcp"},
		{name: "no link back", change: unlink("b", "a"), is: fs.ErrNotExist, text: "n1/b from n1/a"},
		{name: "of one that is gone", is: fs.ErrNotExist, text: "removed in this update", change: func(tx *bridge.Tx) {
			a := tx.Network("n1").Endpoint("a")
			tx.Network("n1").Detach("a")
			a.Link("b", some)
		}},
	})
	for _, text := range []string{"", "0", "80/icmp", "8080:80", "127.0.0.1::80", "90-80", "80/tcp/udp"} {
		var spec *portmap.SpecError
		if _, err := bridge.ParseLinkPort(text); !errors.As(err, &spec) || spec.Field == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
	if got := linkPorts("6000-6009/UDP")[0].String(); got != "6000-6009/udp" {
		t.Errorf("a range of ports is %s", got)
	}
}

// FuzzParseLinkPort: what is read is written as it can be read again.
func FuzzParseLinkPort(f *testing.F) {
	for _, s := range []string{"80", "5432/tcp", "6000-6009/UDP", "1-65535/sctp", "8080:80", "80/", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := bridge.ParseLinkPort(s)
		if err != nil {
			return
		}
		if again, err := bridge.ParseLinkPort(p.String()); err != nil || again != p || p.Ports.Len() == 0 {
			t.Errorf("%q is read as %v, and that as %v, %v", s, p, again, err)
		}
	})
}
