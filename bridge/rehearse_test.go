package bridge_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
)

// A rehearsal ends as the update would, without a kernel.
func TestRehearse(t *testing.T) {
	t.Parallel()
	addr := nth(specA.IPv4.Subnet, 2)
	view, err := bridge.Rehearse(bridge.Config{}, func(tx *bridge.Tx) error {
		c1 := tx.CreateNetwork(specA).Attach(bridge.EndpointSpec{Name: "c1", IPv4: addr})
		c1.Publish(ports("8080:80", "81")...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	e := view.Endpoint("a", "c1")
	if e == nil || e.Network.Spec.IPv4.Address != specA.IPv4.Subnet.Addr().Next() || e.Spec.HostIfName == "" {
		t.Errorf("no endpoint with defaults filled in: %+v", e)
	}
	n := 0
	for b := range view.Bindings(e) {
		if n++; b.Host().First == 0 {
			t.Errorf("%s has no host port", b.Port)
		}
	}
	if n != 2 {
		t.Errorf("%d bindings", n)
	}
	sentinel := errors.New("mine")
	for name, c := range map[string]struct {
		cfg  bridge.Config
		fn   func(*bridge.Tx) error
		want error
	}{
		"conflict": {bridge.Config{}, func(tx *bridge.Tx) error {
			n := tx.CreateNetwork(specA)
			n.Attach(bridge.EndpointSpec{Name: "c1", IPv4: addr}).Publish(ports("8080:80")...)
			n.Attach(bridge.EndpointSpec{Name: "c2", IPv4: addr.Next()}).Publish(ports("8080:80")...)
			return nil
		}, fs.ErrExist},
		"overlap": {bridge.Config{}, func(tx *bridge.Tx) error {
			tx.CreateNetwork(specA)
			tx.CreateNetwork(with(specA, func(s *bridge.NetworkSpec) { s.Name, s.Bridge = "b", "br-b" }))
			return nil
		}, fs.ErrInvalid},
		"layout":   {bridge.Config{Layout: compat.Docker19()}, func(tx *bridge.Tx) error { tx.CreateNetwork(specA); return nil }, errors.ErrUnsupported},
		"disabled": {bridge.Config{DisableIPv4: true, DisableIPv6: true}, func(tx *bridge.Tx) error { tx.UserChain(); return nil }, bridge.ErrFamilyDisabled},
		"own":      {bridge.Config{}, func(*bridge.Tx) error { return sentinel }, sentinel},
	} {
		if _, err := bridge.Rehearse(c.cfg, c.fn); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
