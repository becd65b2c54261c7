package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/portmap"
)

// A stage is the topology, built.
type stage struct {
	*netlab.Lab
	*atlas
	t      *testing.T
	spaces map[string]*netlab.Namespace
}

func newStage(t *testing.T, cfg bridge.Config) *stage {
	t.Helper()
	lab := netlab.New(t)
	s := &stage{Lab: lab, atlas: newAtlas(), t: t, spaces: map[string]*netlab.Namespace{}}
	host, ext := lab.Namespace("host"), lab.Namespace("ext")
	s.spaces["host"], s.spaces["host-lo"], s.spaces["ext"] = host, host, ext
	lan := lab.LAN("lan")
	lan.Plug(host, "eth0", "198.18.0.2/24", "2001:db8:1::2/64")
	lan.Plug(ext, "eth0", "198.18.0.1/24", "2001:db8:1::1/64")
	host.Route("0.0.0.0/0", "198.18.0.1")
	host.Route("::/0", "2001:db8:1::1")
	host.Listen("tcp", ":"+servicePort)
	ext.Listen("tcp", ":"+servicePort)

	cfg.NetNS = host.File()
	fw, err := bridge.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fw.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, n := range networks() {
		s.network(fw, n)
	}
	return s
}

func (s *stage) network(fw *bridge.Firewall, n network) {
	s.t.Helper()
	for i, p := range []netip.Prefix{n.spec.IPv4.Subnet, n.spec.IPv6.Subnet} {
		if p.IsValid() {
			s.spaces["ext"].Route(p.String(), s.addrs["host"][i].String())
		}
	}
	err := fw.Update(context.Background(), func(tx *bridge.Tx) error {
		network := tx.CreateNetwork(n.spec)
		for _, c := range n.containers {
			pair := s.addrs[c.name]
			endpoint := network.Attach(bridge.EndpointSpec{Name: c.name, IPv4: pair[ipv4], IPv6: pair[ipv6]})
			for _, p := range c.publish {
				endpoint.Publish(portmap.MustParse(p))
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range n.containers {
		space := s.Namespace(c.name)
		s.spaces[c.name] = space
		if err := fw.Connect(context.Background(), n.spec.Name, c.name, bridge.Link{NetNS: space.File()}); err != nil {
			s.t.Fatal(err)
		}
		for _, port := range endpointPorts {
			number, proto, udp := strings.Cut(port, "/")
			if !udp {
				proto = "tcp"
			}
			space.Listen(proto, ":"+number)
		}
	}
}

// proxies plays userland proxies: listeners of the host's on all that is
// published and translated.
func (s *stage) proxies() {
	s.t.Helper()
	for _, n := range networks() {
		for _, c := range n.containers {
			if n.spec.IPv4.Mode == bridge.Routed {
				continue
			}
			for _, p := range c.publish {
				b := portmap.MustParse(p)
				addr := ":" + fmt.Sprint(b.Host.First)
				if b.HostAddr.IsValid() {
					addr = netip.AddrPortFrom(b.HostAddr, b.Host.First).String()
				}
				s.spaces["host"].Listen(b.Proto.String(), addr)
			}
		}
	}
}

// crowd is how many probes are made at once: enough that waiting for silence
// takes little time, few enough for a slow machine.
const crowd = 700

// ask makes all probes and says what became of each.
func (s *stage) ask(probes []probe) map[probe]answer {
	answers := make(map[probe]answer, len(probes))
	for len(probes) > 0 {
		now := probes[:min(crowd, len(probes))]
		probes = probes[len(now):]
		sent := make([]netlab.Probe, len(now))
		for i, p := range now {
			proto, port := p.network()
			sent[i] = netlab.Probe{From: s.spaces[p.from], Proto: proto, To: netip.AddrPortFrom(p.addr(s.atlas), port)}
			if p.from == "host-lo" {
				sent[i].Source = netip.AddrPortFrom(s.addrs["loopback"][p.family], 0)
			}
		}
		for i, r := range s.ProbeAll(sent) {
			answers[now[i]] = s.answer(r)
		}
	}
	return answers
}

// An answer is an outcome, and for one that was delivered who got it and from
// whom, by their names. It is comparable.
type answer struct {
	outcome        string
	server, source string
}

func (a answer) String() string {
	if a.server == "" {
		return a.outcome
	}
	return a.outcome + " to " + a.server + ", which sees " + a.source
}

func (s *stage) answer(r netlab.Result) answer {
	switch {
	case r.Outcome == netlab.Delivered:
		return answer{"delivered", r.Server, s.nameOf(r.Source.Addr())}
	case errors.Is(r.Err, unix.EINVAL):
		return answer{outcome: "invalid"} // the kernel does not send it
	case r.Outcome == netlab.Unknown:
		return answer{outcome: r.String()}
	}
	return answer{outcome: r.Outcome.String()}
}

// nfCalls is whether br_netfilter shows bridged packets to the tables of
// families ip and ip6. A kernel without that module cannot do otherwise than 0.
func nfCalls(t *testing.T) []string {
	t.Helper()
	_, err := os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables")
	if errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatal("the kernel has no br_netfilter: load the module")
		}
		t.Log("the kernel has no br_netfilter: half of the test is not there")
		return []string{"0"}
	}
	return []string{"0", "1"}
}

func (s *stage) nfCall(value string) {
	s.t.Helper()
	if _, err := os.Stat("/proc/sys/net/bridge"); errors.Is(err, fs.ErrNotExist) {
		return
	}
	s.spaces["host"].SetSysctl("net.bridge.bridge-nf-call-iptables", value)
	s.spaces["host"].SetSysctl("net.bridge.bridge-nf-call-ip6tables", value)
}
