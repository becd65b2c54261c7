package bridge

import (
	"errors"
)

// stopLinks takes out of use what the Tx removes, before its rules go. It
// returns the networks whose bridges it stopped.
func (fw *Firewall) stopLinks(tx *Tx) ([]*Network, error) {
	var stopped []*Network
	for _, a := range tx.log {
		if a.add {
			continue
		}
		var err error
		switch f := a.fact.(type) {
		case *Network:
			if err = fw.links.stop(f); err == nil {
				stopped = append(stopped, f)
			}
		case *Endpoint:
			err = fw.links.disconnect(f)
		}
		if err != nil {
			for _, n := range stopped {
				err = errors.Join(err, fw.links.start(n))
			}
			return nil, err
		}
	}
	return stopped, nil
}

// stopForwarding switches off what was switched on.
func (fw *Firewall) stopForwarding(on []*Forwarding) error {
	var errs []error
	for _, f := range on {
		errs = append(errs, fw.links.forward(f.Family, false))
	}
	return errors.Join(errs...)
}

// settleLinks makes the bridges of new networks, and then deletes those of
// removed ones. If it fails, the new ones are gone and the removed ones back.
func (fw *Firewall) settleLinks(tx *Tx) error {
	var gone, made []*Network
	var forward []*Forwarding
	for _, a := range tx.log {
		if f, ok := a.fact.(*Forwarding); ok && a.add {
			forward = append(forward, f)
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
			for _, n := range gone {
				err = errors.Join(err, fw.links.start(n))
			}
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
