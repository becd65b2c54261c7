package bridge_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/nft"
)

// In every layout a new process sees all that the last one did, as it was, and writes nothing.
func TestAdoptInEveryLayout(t *testing.T) {
	t.Parallel()
	for _, name := range compat.LayoutNames() {
		layout, err := compat.LayoutNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transactions := 0
			w := newWorld(t, bridge.Config{Layout: layout, RulesOnly: true, Trace: func(bridge.Transaction) { transactions++ }})
			// Each is what the layout may or may not have.
			can := 0
			for _, f := range []func(tx *bridge.Tx){
				func(tx *bridge.Tx) { tx.CreateNetwork(networkSpec("four", "172.30.4.0/24")) },
				func(tx *bridge.Tx) { tx.CreateNetwork(networkSpec("six", "fd00:30:6::/64")) },
				func(tx *bridge.Tx) { tx.CreateNetwork(networkSpec("both", "172.30.5.0/24", "fd00:30:5::/64")) },
				func(tx *bridge.Tx) { tx.CreateNetwork(with(networkSpec("int", "172.30.7.0/24"), internal)) },
				func(tx *bridge.Tx) {
					tx.CreateNetwork(with(networkSpec("odd", "172.30.8.0/24"), func(s *bridge.NetworkSpec) {
						s.DisableICC, s.DisableMasquerade, s.MTU, s.IfPrefix = true, true, 1400, "net"
					}))
				},
				func(tx *bridge.Tx) {
					tx.CreateNetwork(with(networkSpec("trusting", "172.30.9.0/24"), func(s *bridge.NetworkSpec) {
						for i := range 20 { // a record in parts
							s.TrustedInterfaces = append(s.TrustedInterfaces, "trusted-if-"+string(rune('a'+i)))
						}
					}))
				},
				func(tx *bridge.Tx) {
					tx.CreateNetwork(with(networkSpec("routed", "172.30.10.0/24"), func(s *bridge.NetworkSpec) { s.IPv4.Mode = bridge.Routed }))
				},
				func(tx *bridge.Tx) {
					n := tx.Network("four")
					n.Attach(bridge.EndpointSpec{Name: "c1", IPv4: nth(networkSpec("", "172.30.4.0/24").IPv4.Subnet, 2)}).
						Publish(ports("8080:80", "9000-9009:9000-9009/udp", "9100-9101:80-81")...)
					n.Attach(bridge.EndpointSpec{Name: "c2", IPv4: nth(networkSpec("", "172.30.4.0/24").IPv4.Subnet, 3), HostIfName: "port-c2"}).
						Publish(ports("80", "192.0.2.1:8081:80")...)
				},
				func(tx *bridge.Tx) { tx.Network("four").Endpoint("c1").Publish(ports("8090:90/sctp")...) },
				func(tx *bridge.Tx) {
					tx.Network("four").Endpoint("c1").PublishWithin(scope("eth0", "198.51.100.0/24"), ports("8091:91")...)
				},
				func(tx *bridge.Tx) {
					tx.Network("both").Attach(bridge.EndpointSpec{
						Name: "c", IPv4: nth(networkSpec("", "172.30.5.0/24").IPv4.Subnet, 2), IPv6: nth(networkSpec("", "fd00:30:5::/64").IPv6.Subnet, 2),
					}).Publish(ports("8092:80", "[::1]:8093:80")...)
				},
				func(tx *bridge.Tx) {
					n := tx.Network("odd")
					for i, name := range []string{"c1", "c2"} {
						n.Attach(bridge.EndpointSpec{Name: name, IPv4: nth(networkSpec("", "172.30.8.0/24").IPv4.Subnet, 2+i)})
					}
					p, _ := bridge.ParseLinkPort("5432")
					n.Endpoint("c1").Link("c2", p)
				},
			} {
				if err := w.try(f); err == nil {
					can++
				} else if !errors.Is(err, errors.ErrUnsupported) && !strings.Contains(err.Error(), "file does not exist") {
					t.Fatal(err)
				}
			}
			if can < 4 {
				t.Fatalf("the layout can do %d of it only", can)
			}
			before, kernel, generation := facts(w.fw), w.snapshot(), w.generation()
			transactions = 0
			w.reopen()
			if after := facts(w.fw); !slices.Equal(after, before) {
				t.Errorf("the view is\n%s\nwas\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
			}
			if transactions != 0 || w.generation() != generation {
				t.Errorf("open wrote %d transactions", transactions)
			}
			w.sameAs("opened", w.snapshot(), kernel)
			w.kernelIsDesired("opened")

			// What was damaged while nobody watched is named, and nothing is written.
			if err := w.fw.Close(); err != nil {
				t.Fatal(err)
			}
			w.byHand(func(b *nft.Batch) {
				b.Flush(&nft.Chain{Table: nft.TableRef{Family: nft.IPv4, Name: "seawall"}, Name: "raw-prerouting"})
			})
			generation = w.generation()
			var drift *bridge.DriftError
			if _, err := bridge.Open(context.Background(), w.cfg); !errors.As(err, &drift) || !strings.Contains(err.Error(), "raw-prerouting") {
				t.Errorf("a chain is empty: %v", err)
			}
			w.byHand(func(b *nft.Batch) {
				set := nft.SetRef{}
				for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
					set = nft.TableRef{Family: f, Name: "seawall"}.Set("facts")
					b.Flush(&nft.Set{Table: set.Table(), Name: set.Name()})
				}
			})
			_, err := bridge.Open(context.Background(), w.cfg)
			if !errors.Is(err, bridge.ErrForeignTable) || !strings.Contains(err.Error(), "record") {
				t.Errorf("the records are gone: %v", err)
			}
			if g := w.generation(); g != generation+1 {
				t.Errorf("open wrote %d transactions", g-generation-1)
			}
			w.byHand(func(b *nft.Batch) { // for the end of the test
				for _, table := range w.load(w.tables()...).Tables() {
					b.Delete(table)
				}
			})
			w.open()
		})
	}
}
