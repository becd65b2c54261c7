package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// families are the two that every network here has.
var families = [...]nft.Family{nft.IPv4, nft.IPv6}

// tour does what a container runtime and its operator do, in the order in which they do it.
func tour(ctx context.Context, out *screen) (_ *report, err error) {
	r := &report{Laptop: machine{laptopIPv4, laptopIPv6}, Host: machine{hostIPv4, hostIPv6}}
	out.welcome()
	w, err := newWorld()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()

	// The zero Config is Docker's defaults in the present network namespace. Here the host is another one.
	fw, err := bridge.Open(ctx, bridge.Config{NetNS: w.host.File(), Trace: r.trace})
	if err != nil {
		return nil, err
	}
	defer fw.Close() // leaves the rules in force; Teardown, below, removes them

	if err := build(ctx, fw, w, r); err != nil {
		return nil, err
	}
	r.view(fw.View())
	out.world(r)

	if err := w.look(ctx, r, "before"); err != nil {
		return nil, err
	}
	out.before(r)

	r.step = "add a DOCKER-USER rule"
	if err := keepLaptopOut(ctx, fw); err != nil {
		return nil, err
	}
	if err := w.look(ctx, r, "with_rule"); err != nil {
		return nil, err
	}
	if err := readBack(ctx, fw, r); err != nil {
		return nil, err
	}
	out.withRule(r)

	r.step = "delete the DOCKER-USER rule"
	if err := letLaptopIn(ctx, fw); err != nil {
		return nil, err
	}
	if err := w.look(ctx, r, "after"); err != nil {
		return nil, err
	}
	out.after(r)

	if err := fw.Teardown(ctx); err != nil {
		return nil, err
	}
	if r.LeftBehind, err = w.leftBehind(ctx); err != nil {
		return nil, err
	}
	out.end(r)
	return r, nil
}

// build makes the networks and the containers, and publishes a port. Each Update is one transaction of the kernel: all
// of it or nothing. The three could as well be one.
func build(ctx context.Context, fw *bridge.Firewall, w *world, r *report) error {
	r.step = "create two networks"
	err := fw.Update(ctx, func(tx *bridge.Tx) error {
		tx.CreateNetwork(bridge.NetworkSpec{
			Name: "web", Bridge: "br-web",
			IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/16")},
			IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
		})
		tx.CreateNetwork(bridge.NetworkSpec{
			Name: "db", Bridge: "br-db",
			IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.19.0.0/16")},
			IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:19::/64")},
		})
		return nil // the first error of any call on tx is the Update's
	})
	if err != nil {
		return err
	}

	r.step = "attach three containers"
	err = fw.Update(ctx, func(tx *bridge.Tx) error {
		web, db := tx.Network("web"), tx.Network("db")
		web.Attach(endpoint("shop", "172.18.0.2", "fd00:18::2"))
		web.Attach(endpoint("cart", "172.18.0.3", "fd00:18::3"))
		db.Attach(endpoint("orders", "172.19.0.2", "fd00:19::2"))
		return nil
	})
	if err != nil {
		return err
	}
	// The rules are in force. Now each container gets its interface: a veth pair with addresses and default routes.
	err = errors.Join(
		fw.Connect(ctx, "web", "shop", bridge.Link{NetNS: w.shop.File()}),
		fw.Connect(ctx, "web", "cart", bridge.Link{NetNS: w.cart.File()}),
		fw.Connect(ctx, "db", "orders", bridge.Link{NetNS: w.orders.File()}),
	)
	if err != nil {
		return err
	}

	r.step = "publish " + published
	return fw.Update(ctx, func(tx *bridge.Tx) error {
		tx.Network("web").Endpoint("shop").Publish(portmap.MustParse(published))
		return nil
	})
}

func endpoint(name, ipv4, ipv6 string) bridge.EndpointSpec {
	return bridge.EndpointSpec{Name: name, IPv4: netip.MustParseAddr(ipv4), IPv6: netip.MustParseAddr(ipv6)}
}

// ours is how the tour knows its rules in DOCKER-USER again: the chain belongs to the user, who may keep others there.
const ours = "quickstart"

// keepLaptopOut adds a rule to DOCKER-USER, the chain that is asked before all others whether a packet may be forwarded.
// As in Docker it sees packets behind the translation of their destination: the port is the container's.
func keepLaptopOut(ctx context.Context, fw *bridge.Firewall) error {
	return fw.Update(ctx, func(tx *bridge.Tx) error {
		for f, laptop := range map[nft.Family]netip.Addr{nft.IPv4: laptopIPv4, nft.IPv6: laptopIPv6} {
			tx.UserChain(f).Append(bridge.UserRule{
				Statements: []nft.Statement{
					nft.Saddr(f).Eq(laptop), nft.TCPDport.Eq(80), nft.Counter(), nft.Drop(),
				},
				Comment: ours,
			})
		}
		return nil
	})
}

// letLaptopIn deletes the rule again.
func letLaptopIn(ctx context.Context, fw *bridge.Firewall) error {
	mine := map[nft.Family][]*nft.Rule{}
	for _, f := range families {
		rules, err := fw.UserRules(ctx, f)
		if err != nil {
			return err
		}
		for _, rule := range rules {
			if rule.Comment == ours {
				mine[f] = append(mine[f], rule)
			}
		}
	}
	return fw.Update(ctx, func(tx *bridge.Tx) error {
		for f, rules := range mine {
			for _, rule := range rules {
				tx.UserChain(f).Delete(rule)
			}
		}
		return nil
	})
}

// readBack notes what the kernel holds now: the user's rules, and the whole ruleset.
func readBack(ctx context.Context, fw *bridge.Firewall, r *report) error {
	loaded, err := fw.Ruleset(ctx)
	if err != nil {
		return err
	}
	r.UserRules, r.Ruleset = map[string]string{}, map[string]string{}
	for _, f := range families {
		var text strings.Builder
		if err := loaded.Only(nft.TableRef{Family: f, Name: "seawall"}).Print(&text, nft.PrintOptions{Stateless: true}); err != nil {
			return err
		}
		r.Ruleset[f.String()] = text.String()
		rules, err := fw.UserRules(ctx, f)
		if err != nil {
			return err
		}
		for _, rule := range rules {
			r.UserRules[f.String()] += fmt.Sprintln(rule)
		}
	}
	return nil
}
