package bridge

import (
	"context"
	"fmt"
	"time"

	"github.com/seawall-net/seawall/isolation"
	"github.com/seawall-net/seawall/nft"
)

// A Count is packets and their bytes, from the IP header on.
type Count struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

func (c *Count) add(more Count) {
	c.Packets += more.Packets
	c.Bytes += more.Bytes
}

// BindingCounters is what one binding has counted, both families together.
type BindingCounters struct {
	// Counted says that the kernel leads packets to the binding's ports, and
	// counts: not so in routed and internal networks, or where the binding is
	// for another family than those that are filtered.
	Counted bool `json:"counted"`
	// Flows are the connections, and what is like one in UDP, that were led to
	// the ports since they were published; DOCKER-USER may have dropped them
	// afterwards. What a userland proxy takes is not among them.
	Flows uint64 `json:"flows"`
	// Open are the connections that there are now; nil if the kernel does not
	// account for them: see [Config].Accounting.
	Open *OpenFlows `json:"open,omitempty"`
}

// OpenFlows are the connections that the kernel knows at a moment. Those that have
// ended are not among them.
type OpenFlows struct {
	Flows uint64 `json:"flows"`
	// Received is what came from the clients, Sent what was answered, since each
	// connection began, or nothing if accounting was switched on after that.
	Received Count `json:"received"`
	Sent     Count `json:"sent"`
}

// NetworkCounters is what one network has counted, both families together.
type NetworkCounters struct {
	// Counted says that the network's packets are filtered in any family.
	Counted bool `json:"counted"`
	// Sent and Received are what was forwarded out of the network and into it, of
	// new connections and known ones, behind DOCKER-USER. A packet from one
	// network to another is in both, and so is one from the network to itself by
	// a published port. What endpoints send each other on the bridge is there only with br_netfilter.
	// What the host itself sends and receives is not.
	Sent     Count `json:"sent"`
	Received Count `json:"received"`
	// Dropped is the sum of Drops.
	Dropped Count `json:"dropped"`
	// Drops is what was dropped, by reason, as far as the layout's rules tell.
	// Frames count without their Ethernet header. In the hybrid layout, DOCKER-USER
	// may have accepted what is counted under NotPublished, InternalNetwork, ICCOff
	// and ForgedSource.
	Drops map[Reason]Count `json:"drops,omitempty"`
}

// HostCounters is what was dropped and is of no network in particular, both
// families together.
type HostCounters struct {
	Dropped Count            `json:"dropped"`
	Drops   map[Reason]Count `json:"drops,omitempty"`
}

// Counters is what a firewall's rules have counted, as it was read at one moment.
// It is immutable, and may be used by any number of goroutines. The numbers are the
// kernel's: they go on whichever process looks at them, through updates and other
// options, and what others have destroyed comes back with its last known ones. They
// end with what they are about.
type Counters struct {
	layout Layout
	view   *View
	facts  []Fact // of the host
	have   *nft.Ruleset
	rules  map[nft.ID]Count // finding one among many takes time
	gates  []*nft.Rule      // those that drop what is out of scope: bindings share them
	open   openFlows
	taken  time.Time
}

// A DropLayout is a [Layout] with rules that drop and do not say why in their
// comments.
type DropLayout interface {
	// DropReason returns why a rule of the layout drops; false if it does not.
	DropReason(r *nft.Rule) (Reason, bool)
}

// Counters reads what has been counted so far. It writes nothing. It fails with
// [nft.ErrGeneration] if others keep changing the tables under it, and where the
// connections of this namespace cannot be listed although they are accounted for.
func (fw *Firewall) Counters(ctx context.Context) (*Counters, error) {
	c := &Counters{layout: fw.layout, view: fw.View()}
	fw.mu.Lock()
	closed := fw.closed
	c.facts = append(c.facts, fw.state.host)
	for _, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
		if f := fw.state.forwarding[f]; f != nil {
			c.facts = append(c.facts, f)
		}
	}
	fw.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	c.taken = time.Now()
	var err error
	if c.have, err = fw.conn.LoadCounters(ctx, fw.layout.Tables()...); err != nil {
		return nil, fmt.Errorf("bridge: counters: %w", err)
	}
	c.rules = map[nft.ID]Count{}
	for r := range c.have.Objects() {
		if r, ok := r.(*nft.Rule); ok && r.Key != "" {
			if packets, bytes, ok := r.Count(); ok {
				c.rules[r.ID()] = Count{packets, bytes}
				if Reason(r.Comment) == OutOfScope {
					c.gates = append(c.gates, r)
				}
			}
		}
	}
	if c.open, err = listFlows(ctx, fw.ns); err != nil {
		return nil, fmt.Errorf("bridge: counters: %w", err)
	}
	fw.mu.Lock()
	defer fw.mu.Unlock()
	fw.keepCounters(c.have)
	return c, nil
}

// Taken is when the counters were read.
func (c *Counters) Taken() time.Time { return c.taken }

// View is the facts that held then.
func (c *Counters) View() *View { return c.view }

// Accounted tells whether the kernel accounted for connections.
func (c *Counters) Accounted() bool { return c.open != nil }

// Binding returns what a binding has counted.
func (c *Counters) Binding(b *Binding) BindingCounters {
	var out BindingCounters
	c.layout.Compile(b, func(o nft.Object) {
		var n Count
		var ok bool
		switch o := o.(type) {
		case *nft.Element:
			n, ok = c.element(o)
		case *nft.Rule:
			if translates(o) {
				n, ok = c.rule(o)
			}
		}
		out.Counted = out.Counted || ok
		out.Flows += n.Packets
	})
	if c.open != nil {
		open := c.open.of(b)
		out.Open = &open
	}
	return out
}

// translates tells whether a rule, of iptables, leads to another destination.
func translates(r *nft.Rule) bool {
	for _, s := range r.Statements {
		if x, ok := s.(nft.XT); ok && x.Target && x.Name == "DNAT" {
			return true
		}
	}
	return false
}

// Network returns what a network has counted, in time that grows with its
// endpoints.
func (c *Counters) Network(n *Network) NetworkCounters {
	var out NetworkCounters
	add := func(o nft.Object) {
		switch o := o.(type) {
		case *nft.Element:
			switch counted, ok := c.element(o); {
			case !ok:
			case o.Set.Name() == isolation.Sent:
				out.Sent.add(counted)
				out.Counted = true
			case o.Set.Name() == isolation.Received:
				out.Received.add(counted)
				out.Counted = true
			}
		case *nft.Rule:
			c.addDrop(o, &out.Dropped, &out.Drops)
		}
	}
	c.layout.Compile(n, add)
	if _, ok := c.layout.(DropLayout); ok {
		for e := range c.view.Endpoints(n) {
			c.layout.Compile(e, add)
		}
	}
	return out
}

// Host returns what was dropped and is of no network in particular.
func (c *Counters) Host() HostCounters {
	var out HostCounters
	for _, f := range c.facts {
		c.layout.Compile(f, func(o nft.Object) {
			if r, ok := o.(*nft.Rule); ok {
				c.addDrop(r, &out.Dropped, &out.Drops)
			}
		})
	}
	for _, r := range c.gates {
		c.addDrop(r, &out.Dropped, &out.Drops)
	}
	return out
}

// addDrop adds what a rule has dropped.
func (c *Counters) addDrop(r *nft.Rule, total *Count, drops *map[Reason]Count) {
	reason := Reason(r.Comment)
	if reason == "" {
		layout, ok := c.layout.(DropLayout)
		if ok {
			reason, ok = layout.DropReason(r)
		}
		if !ok {
			return
		}
	}
	n, _ := c.rule(r)
	if n == (Count{}) {
		return
	}
	if *drops == nil {
		*drops = map[Reason]Count{}
	}
	sum := (*drops)[reason]
	sum.add(n)
	(*drops)[reason] = sum
	total.add(n)
}

// element is what an element has counted; false if it is not there, or its set has
// no counters.
func (c *Counters) element(e *nft.Element) (Count, bool) {
	if have, ok := c.have.Lookup(e.ID()).(*nft.Element); ok {
		return Count{have.Packets, have.Bytes}, true
	}
	return Count{}, false
}

// rule is what a rule has counted.
func (c *Counters) rule(r *nft.Rule) (Count, bool) {
	n, ok := c.rules[r.ID()]
	return n, ok
}
