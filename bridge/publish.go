package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// publish publishes ports to a normalized scope. Those that leave no choice come first, so that no
// other is given what they need; then those that choose among few. A port whose
// host port was chosen before keeps it: had is its first, for each of the ports,
// and nil if there are none.
func (e EndpointTx) publish(ports []portmap.Binding, within *Scope, had []uint16) error {
	tx := e.tx
	var open []*Binding
	for i, p := range ports {
		b, err := e.binding(p, within)
		if err != nil {
			return err
		}
		choose := p.Dynamic() && len(b.Claims()) > 0
		if choose && i < len(had) {
			b.first = had[i]
		}
		if choose && b.first == 0 {
			open = append(open, b)
		} else if err := tx.addBindings(b); err != nil {
			return err
		}
	}
	slices.SortStableFunc(open, func(a, b *Binding) int {
		return cmp.Compare(freedom(a.Port), freedom(b.Port))
	})
	for len(open) > 0 {
		group, rest := samePort(open)
		if err := tx.choose(group); err != nil {
			return err
		}
		open = rest
	}
	return nil
}

// freedom is how much a binding leaves open.
func freedom(p portmap.Binding) int {
	if n := p.Host.Len(); n > 0 {
		return n
	}
	return 1 << 16
}

// samePort splits off the first binding and those that differ from it in nothing
// but the host's address: they get the same port, so that a client finds it at
// whatever address it asks.
func samePort(open []*Binding) (group, rest []*Binding) {
	group = open[:1:1]
	for _, b := range open[1:] {
		p := b.Port
		p.HostAddr = open[0].Port.HostAddr
		if p == open[0].Port && !slices.ContainsFunc(group, func(g *Binding) bool {
			return g.sharesAddr(b)
		}) {
			group = append(group, b)
		} else {
			rest = append(rest, b)
		}
	}
	return group, rest
}

// sharesAddr tells whether two bindings are for an address in common, and so
// cannot have the same port.
func (b *Binding) sharesAddr(other *Binding) bool {
	for _, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
		c, ok := b.Claim(f)
		d, both := other.Claim(f)
		if ok && both && (c.Addr == d.Addr || c.Addr.IsUnspecified() || d.Addr.IsUnspecified()) {
			return true
		}
	}
	return false
}

// choose publishes bindings, all on the same ports, the first that can be had.
func (tx *Tx) choose(group []*Binding) error {
	p := group[0].Port
	var host portmap.Ephemeral
	among := p.Host
	if among.IsZero() {
		if err := tx.readEphemeral(); err != nil {
			return fmt.Errorf("%v: %w", p, err)
		}
		host = *tx.ephemeral
		among = host.Range()
	}
	none := &NoPortError{Binding: p, Among: among}
	for ports := range tx.fw.chooser.Candidates(p, host) {
		for _, b := range group {
			b.first = ports.First
		}
		err := tx.addBindings(group...)
		if !errors.Is(err, fs.ErrExist) {
			return err // or nil
		}
		none.Last = err
	}
	return none
}

// readEphemeral finds out which ports the host gives out by itself.
func (tx *Tx) readEphemeral() error {
	if tx.ephemeral != nil {
		return nil
	}
	var texts [2]string
	err := netns.Do(tx.fw.ns, func() error {
		for i, name := range []string{"ip_local_port_range", "ip_local_reserved_ports"} {
			text, err := os.ReadFile("/proc/sys/net/ipv4/" + name)
			if err != nil {
				return err
			}
			texts[i] = string(text)
		}
		return nil
	})
	if err == nil {
		var e portmap.Ephemeral
		if e, err = portmap.ParseEphemeral(texts[0], texts[1]); err == nil {
			tx.ephemeral = &e
		}
	}
	if err != nil {
		return fmt.Errorf("find out the host's ephemeral ports: %w", err)
	}
	return nil
}

// addBindings makes bindings true, all of them or none: their ports are claimed
// and held.
func (tx *Tx) addBindings(all ...*Binding) error {
	mark := tx.fw.sockets.mark()
	for i, b := range all {
		err := tx.check(b)
		if err == nil {
			err = tx.fw.state.checkAmbiguous(b)
		}
		if err == nil {
			err = tx.fw.state.claim(b)
		}
		if err == nil {
			var space [2]portmap.Claim
			if err = tx.fw.sockets.take(b.appendClaims(space[:0])); err != nil {
				tx.fw.state.unclaim(b)
			}
		}
		if err != nil {
			tx.fw.sockets.undo(mark)
			for _, done := range all[:i] {
				tx.fw.state.unclaim(done)
			}
			return err
		}
	}
	for _, b := range all {
		tx.enlist(b)
	}
	return nil
}

// enlist makes a binding true whose ports it has.
func (tx *Tx) enlist(b *Binding) {
	tx.fw.state.enlist(b)
	tx.record(applied{b, true})
	tx.fw.layout.Compile(b, tx.change.Add)
}

// removeBinding ends a publication. Its ports stay held until that is committed.
func (tx *Tx) removeBinding(b *Binding) {
	var space [2]portmap.Claim
	tx.fw.sockets.release(b.appendClaims(space[:0]))
	tx.remove(b)
}
