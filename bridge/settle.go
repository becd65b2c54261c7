package bridge

import (
	"errors"
)

// stopLinks takes out of use what the Tx removes, before its rules go. resume
// puts it back into use, if the Tx fails. An error leaves everything as it was.
func (fw *Firewall) stopLinks(tx *Tx) (resume func() error, err error) {
	var undo []func() error
	resume = func() error {
		var errs []error
		for _, f := range undo {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	fresh := map[Fact]bool{} // what the Tx itself has added has no links yet
	for _, a := range tx.log {
		if a.add || fresh[a.fact] {
			fresh[a.fact] = true
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
			return nil, errors.Join(err, resume())
		}
	}
	return resume, nil
}

// stopForwarding switches off what was switched on.
func (fw *Firewall) stopForwarding(on []*Forwarding) error {
	var errs []error
	for _, f := range on {
		errs = append(errs, fw.links.forward(f.Family, false))
	}
	return errors.Join(errs...)
}

// settleLinks makes the bridges of new networks, and then deletes the links of
// what was removed. If it fails, the new ones are gone.
func (fw *Firewall) settleLinks(tx *Tx) error {
	var gone, made []*Network
	var detached []*Endpoint
	var forward []*Forwarding
	for _, a := range tx.log {
		if f, ok := a.fact.(*Forwarding); ok && a.add && fw.state.forwarding[f.Family] == f {
			forward = append(forward, f)
		}
		if e, ok := a.fact.(*Endpoint); ok && !a.add {
			detached = append(detached, e)
		}
		n, ok := a.fact.(*Network)
		switch {
		case !ok:
		case !a.add:
			gone = append(gone, n)
		case fw.state.bridges[n.Spec.Bridge] == n:
			made = append(made, n)
		}
	}
	for i, f := range forward {
		if err := fw.links.forward(f.Family, true); err != nil {
			return errors.Join(err, fw.stopForwarding(forward[:i]))
		}
	}
	for i, n := range made {
		if err := fw.links.start(n); err != nil {
			err = errors.Join(err, fw.stopForwarding(forward))
			for _, n := range made[:i+1] {
				err = errors.Join(err, fw.links.remove(n))
			}
			return err
		}
	}
	for _, e := range detached {
		if err := fw.links.disconnect(e); err != nil {
			return err
		}
	}
	for _, n := range gone {
		if fw.state.bridges[n.Spec.Bridge] != nil {
			continue // taken over by a network of the same Tx
		}
		if err := fw.links.remove(n); err != nil {
			return err
		}
	}
	return nil
}
