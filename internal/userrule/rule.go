package userrule

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// A Rule is a recorded rule and what it needs.
type Rule struct {
	// FamilyName is ipv4 or ipv6.
	FamilyName string   `json:"family"`
	Chain      string   `json:"chain"`
	Args       []string `json:"args"`
	// Setup are commands of iptables, ip6tables and ipset that come before.
	Setup [][]string `json:"setup"`
	// Elements are what sets hold: addresses by the name of the set.
	Elements map[string][]string `json:"ipset_elements"`
	// Append are rules that follow, each behind the name of its chain.
	Append [][]string `json:"append"`
}

// Family is the rule's.
func (r Rule) Family() nft.Family {
	if r.FamilyName == "ipv6" {
		return nft.IPv6
	}
	return nft.IPv4
}

// Prepare carries out the setup and fills the sets.
func (r Rule) Prepare(ctx context.Context, fw *bridge.Firewall) error {
	for _, words := range r.Setup {
		var err error
		switch words[0] {
		case "iptables", "ip6tables":
			err = r.iptables(ctx, fw, words[1:])
		case "ipset":
			err = netns.Do(fw.NetNS(), func() error { return createSet(words[1:]) })
		default:
			err = errors.ErrUnsupported
		}
		if err != nil {
			return fmt.Errorf("%q: %w", words, err)
		}
	}
	return netns.Do(fw.NetNS(), func() error { return fill(r.Elements) })
}

// Load appends the rule, and those that follow it.
func (r Rule) Load(ctx context.Context, fw *bridge.Firewall) error {
	if err := r.add(ctx, fw, r.Chain, r.Args); err != nil {
		return err
	}
	for _, words := range r.Append {
		if err := r.add(ctx, fw, words[0], words[1:]); err != nil {
			return err
		}
	}
	return nil
}

// iptables carries out -N and -A. The chain DOCKER-USER and the jump to it are
// the layout's.
func (r Rule) iptables(ctx context.Context, fw *bridge.Firewall, words []string) error {
	switch {
	case len(words) < 2:
	case words[0] == "-N" && words[1] == "DOCKER-USER", words[0] == "-A" && words[1] == "FORWARD":
		return nil
	case words[0] == "-N":
		return r.chain(fw, words[1]).Create(ctx)
	case words[0] == "-A":
		return r.add(ctx, fw, words[1], words[2:])
	}
	return errors.ErrUnsupported
}

func (r Rule) chain(fw *bridge.Firewall, name string) compat.UserChain {
	return compat.UserChain{Firewall: fw, Family: r.Family(), Name: name}
}

func (r Rule) add(ctx context.Context, fw *bridge.Firewall, chain string, args []string) error {
	rule, err := compat.ParseArgs(args...)
	if err != nil {
		return err
	}
	return r.chain(fw, chain).Append(ctx, rule)
}

// createSet is `ipset create NAME TYPE family inet|inet6 timeout 0 counters`.
func createSet(words []string) error {
	if len(words) < 3 || words[0] != "create" {
		return errors.ErrUnsupported
	}
	options := netlink.IpsetCreateOptions{Timeout: new(uint32)}
	for i := 3; i < len(words); i++ {
		switch word := words[i]; {
		case word == "counters":
			options.Counters = true
		case i+1 == len(words):
			return errors.ErrUnsupported
		case word == "family":
			i++
			options.Family = map[string]uint8{"inet": uint8(nft.IPv4), "inet6": uint8(nft.IPv6)}[words[i]]
		case word == "timeout" && words[i+1] == "0":
			i++
		default:
			return errors.ErrUnsupported
		}
	}
	return netlink.IpsetCreate(words[1], words[2], options)
}

// fill adds addresses to sets.
func fill(elements map[string][]string) error {
	for name, addresses := range elements {
		for _, text := range addresses {
			entry := netlink.IPSetEntry{IP: net.ParseIP(text), Replace: true}
			if err := netlink.IpsetAdd(name, &entry); err != nil {
				return fmt.Errorf("add %s to set %s: %w", text, name, err)
			}
		}
	}
	return nil
}
