package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// A Forwarding is the fact that the firewall itself has switched on forwarding
// in one family, because the first network of that family needed it. A host
// that was no router does not become one for others: what belongs to no network
// is dropped, as in Docker, unless the family is disabled.
type Forwarding struct {
	// Host is the host that forwards.
	Host *Host
	// Family is nft.IPv4 or nft.IPv6.
	Family nft.Family
	// Policy says that the firewall has also given the chain of a [PolicyLayout]
	// the policy to drop.
	Policy bool

	record string
}

// Records returns the fact as it is kept in the kernel.
func (f *Forwarding) Records() []string { return []string{f.record} }

func (f *Forwarding) apply(s *state, add bool) {
	if add {
		s.forwarding[f.Family] = f
	} else {
		delete(s.forwarding, f.Family)
	}
}

func forwardingSysctl(f nft.Family) string {
	if f == nft.IPv6 {
		return "net/ipv6/conf/all/forwarding"
	}
	return "net/ipv4/ip_forward"
}

// forwarding tells whether the host forwards packets of a family. A host
// without the family does not need to.
func (l *links) forwarding(f nft.Family) (on bool, err error) {
	err = netns.Do(l.ns, func() error {
		v, err := sysctl(forwardingSysctl(f))
		on = v != "0"
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return on, err
}

// forward switches forwarding on or off.
func (l *links) forward(f nft.Family, on bool) error {
	value := "0"
	if on {
		value = "1"
	}
	return netns.Do(l.ns, func() error { return setSysctl(forwardingSysctl(f), value) })
}

// needForwarding adds the fact that forwarding has to be switched on for a
// network, where it is off.
func (tx *Tx) needForwarding(n *Network) {
	if tx.fw.links == nil {
		return
	}
	for _, family := range []nft.Family{nft.IPv4, nft.IPv6} {
		if !n.Gateway(family).exists() || tx.fw.state.forwarding[family] != nil {
			continue
		}
		on, err := tx.fw.links.forwarding(family)
		if err != nil {
			tx.fail(err)
			return
		}
		if !on {
			f := &Forwarding{Host: tx.fw.state.host, Family: family}
			if f.Policy, err = tx.fw.accepts(family); err != nil {
				tx.fail(fmt.Errorf("bridge: %w", err))
				return
			}
			f.record = f.encode()
			tx.add(f)
			tx.setPolicy(f, nft.PolicyDrop)
		}
	}
}

// endForwarding removes the fact that forwarding was switched on, where the Tx
// has removed the last network that needed it.
func (tx *Tx) endForwarding() {
	removed := slices.ContainsFunc(tx.log, func(a applied) bool {
		_, ok := a.fact.(*Network)
		return ok && !a.add
	})
	if tx.err != nil || !removed {
		return
	}
	for family, f := range tx.fw.state.forwarding {
		needed := false
		for _, n := range tx.fw.state.networks {
			needed = needed || n.fact.Gateway(family).exists()
		}
		if !needed {
			tx.remove(f)
			tx.setPolicy(f, nft.PolicyAccept)
		}
	}
}
