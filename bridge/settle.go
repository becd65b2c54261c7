package bridge

import (
	"errors"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// Links come up after the rules that protect them and go down before: what a Tx
// removes is taken out of use, and what it adds is made but left down, before
// its rules are committed; afterwards the new is put to use and the old deleted.
// So nearly all that can fail fails while nothing is committed.

// An undo list takes back steps, the last first.
type undoList []func() error

func (u undoList) run() error {
	var errs []error
	for _, f := range slices.Backward(u) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// prepareLinks does what has to be done before the commit. The list takes it
// back; an error leaves everything as it was.
func (fw *Firewall) prepareLinks(tx *Tx) (undo undoList, err error) {
	if fw.links == nil {
		return nil, nil
	}
	before, after := tx.loopbackUses()
	for use, n := range before {
		if n == 0 || after[use] > 0 {
			continue
		}
		undo = append(undo, func() error { return fw.links.loopback(use, true) })
		if err := fw.links.loopback(use, false); err != nil {
			return nil, errors.Join(err, undo.run())
		}
	}
	fresh := map[Fact]bool{} // what the Tx itself has added has no links yet
	for _, a := range tx.log {
		if a.add || fresh[a.fact] {
			fresh[a.fact] = true
			continue
		}
		if tx.linksStay(a.fact) {
			continue
		}
		switch f := a.fact.(type) {
		case *Network:
			undo = append(undo, func() error { return fw.links.start(f) })
			err = fw.links.stop(f)
		case *Endpoint:
			undo = append(undo, func() error { return fw.links.resume(f) })
			err = fw.links.suspend(f)
		case *Forwarding:
			undo = append(undo, func() error { return fw.links.forward(f.Family, true) })
			err = fw.links.forward(f.Family, false)
		}
		if err != nil {
			return nil, errors.Join(err, undo.run())
		}
	}
	for _, n := range tx.newNetworks() {
		takeBack, err := fw.links.prepare(n)
		if err != nil {
			return nil, errors.Join(err, undo.run())
		}
		undo = append(undo, takeBack)
	}
	for _, n := range tx.newlyLinked() {
		if err := fw.links.checkMAC(n); err != nil {
			return nil, errors.Join(err, undo.run())
		}
	}
	return undo, nil
}

// newlyLinked are the networks without ICC to which the Tx adds links.
func (tx *Tx) newlyLinked() []*Network {
	var out []*Network
	added := map[Fact]bool{}
	for _, a := range tx.log {
		added[a.fact] = a.add
	}
	for _, a := range tx.log {
		if l, ok := a.fact.(*ContainerLink); ok && added[l] {
			n := l.From.Network
			if disabled := n.Host.Disabled(nft.IPv4) && n.Host.Disabled(nft.IPv6); n.Spec.DisableICC && !disabled && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// newNetworks are the networks that the Tx leaves behind.
func (tx *Tx) newNetworks() []*Network {
	var out []*Network
	for _, a := range tx.log {
		if n, ok := a.fact.(*Network); ok && a.add && tx.fw.state.bridges[n.Spec.Bridge] == n {
			out = append(out, n)
		}
	}
	return out
}

// activateLinks puts to use what the Tx has added.
func (fw *Firewall) activateLinks(tx *Tx) (err error) {
	if fw.links == nil {
		return nil
	}
	var undo undoList
	for _, a := range tx.log {
		if f, ok := a.fact.(*Forwarding); ok && a.add && fw.state.forwarding[f.Family] == f {
			if err := fw.links.forward(f.Family, true); err != nil {
				return errors.Join(err, undo.run())
			}
			undo = append(undo, func() error { return fw.links.forward(f.Family, false) })
		}
	}
	for _, n := range tx.newNetworks() {
		if err := fw.links.activate(n); err != nil {
			return errors.Join(err, undo.run())
		}
	}
	before, after := tx.loopbackUses()
	for use, n := range after {
		if n == 0 || before[use] > 0 {
			continue
		}
		if err := fw.links.loopback(use, true); err != nil {
			return errors.Join(err, undo.run())
		}
		undo = append(undo, func() error { return fw.links.loopback(use, false) })
	}
	return nil
}

// deleteLinks deletes what the Tx has removed and prepareLinks has taken out of
// use.
func (fw *Firewall) deleteLinks(tx *Tx) error {
	if fw.links == nil {
		return nil
	}
	var errs []error
	var names []string
	for _, a := range tx.log {
		if a.add || tx.linksStay(a.fact) {
			continue
		}
		switch f := a.fact.(type) {
		case *Endpoint:
			names = append(names, f.Spec.HostIfName)
		case *Network:
			if heir := fw.state.bridges[f.Spec.Bridge]; heir != nil { // of the same Tx
				errs = append(errs, fw.links.takeAddresses(f, heir))
			} else {
				names = append(names, f.Spec.Bridge)
			}
		}
	}
	return errors.Join(append(errs, fw.links.removeAll(names))...)
}
