package bridge_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// What only guards keeps others from the containers' addresses, and leaves what is forwarded otherwise, and what is
// published, to rules elsewhere, which are not there in this test.
func TestGuardOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{Layout: bridge.NativeWith(bridge.NativeOptions{GuardOnly: true})})
	w.networkA()
	w.networkB()
	w.create(with(networkSpec("in", "172.30.3.0/24", "fd00:30:3::/64"), func(s *bridge.NetworkSpec) { s.Internal = true }))
	w.create(with(networkSpec("c", "172.30.4.0/24", "fd00:30:4::/64"), func(s *bridge.NetworkSpec) { s.DisableICC = true }))
	w.container("a", "a1", 2, "8080:80")
	w.container("b", "b1", 2)
	w.container("in", "in1", 2)
	w.container("c", "c1", 2)
	w.container("c", "c2", 3)
	w.serve("host", 22)
	w.fates(`
		ext   tcp,udp   a1:80     silent
		ext   tcp       gw-a:22   silent
		ext   tcp       in1:80    silent
		b1    tcp,udp   a1:81     a1 sees b1
		in1   tcp       gw-in:22  host sees in1
		in1   tcp       host:22   unreachable
		c1    tcp,udp   c2:80     closed
	`)

	// All facts are there for the next process.
	before := slices.Collect(w.fw.View().Networks())
	w.reopen()
	after := slices.Collect(w.fw.View().Networks())
	if len(before) != 4 || len(after) != len(before) {
		t.Errorf("%d networks were left of %d", len(after), len(before))
	}
	var bindings int
	for _, n := range after {
		for e := range w.fw.View().Endpoints(n) {
			bindings += len(slices.Collect(w.fw.View().Bindings(e)))
		}
	}
	if bindings != 1 {
		t.Errorf("%d bindings were left of one", bindings)
	}
}

// What only guards knows which ports of the host a network's own proxy has, where that is all that the network reaches
// there.
func TestGuardOnlyWithoutHostAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{
		UserlandProxy: true, UnheldPorts: true, Layout: bridge.NativeWith(bridge.NativeOptions{GuardOnly: true}),
	})
	w.create(with(specA, func(s *bridge.NetworkSpec) { s.DisableHostAccess = true }))
	w.networkB()
	w.container("a", "a1", 2, "8080:80")
	w.container("b", "b1", 2, "8081:80")
	w.publish("a", "a1", "192.0.2.1:8082:80", "9000-9009:9000-9009")
	w.serve("host", 22)
	w.serve("host", 8080, 8081, 8082, 9005)
	w.fates(`
		a1   tcp4   gw-a:22     silent
		a1   tcp4   host:8080   host sees a1
		a1   tcp4   host:8082   host sees a1
		a1   tcp4   host:9005   host sees a1
		a1   tcp4   host:8081   silent
		b1   tcp4   host:22     host sees b1
	`)
	w.reopen()
}

// Options that do not go together are refused, and marks that a network means otherwise.
func TestNativeOptionsCheck(t *testing.T) {
	t.Parallel()
	check := func(o bridge.NativeOptions, f bridge.Fact) error {
		return bridge.NativeWith(o).(interface{ Check(bridge.Fact) error }).Check(f)
	}
	for reason, o := range map[string]bridge.NativeOptions{
		"each has to be one bit":  {AcceptMark: 1},
		"has to be one bit":       {AcceptMark: 3, DropMark: 4},
		"have to be different":    {AcceptMark: 4, DropMark: 4},
		"ICCMark 0x1000 has bits": {AcceptMark: 0x1000, DropMark: 4},
		"only guards":             {AcceptMark: 2, DropMark: 4, GuardOnly: true},
	} {
		if err := check(o, &bridge.Host{}); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	good := bridge.NativeOptions{AcceptMark: 2, DropMark: 4}
	if err := check(good, &bridge.Host{}); err != nil {
		t.Error(err)
	}
	n := &bridge.Network{Host: &bridge.Host{}, Spec: networkSpec("a")}
	n.Spec.AcceptFwmark = bridge.Fwmark{Value: 8, Mask: 0xf}
	if err := check(good, n); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
	if err := check(bridge.NativeOptions{}, n); err != nil {
		t.Error(err)
	}
	for _, l := range []bridge.Layout{bridge.NativeWith(good), bridge.NativeWith(bridge.NativeOptions{GuardOnly: true})} {
		l.Compile(&bridge.Host{DropForward: true}, func(o nft.Object) {
			if c, ok := o.(*nft.Chain); ok && c.Name == "DOCKER-USER" {
				t.Errorf("%s is not elsewhere", o.ID())
			}
		})
	}
}
