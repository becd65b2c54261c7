package document

import (
	"fmt"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/nft"
)

// Config is how the document wants the firewall to be opened. It holds no ports:
// a program that ends could not.
func (d *Document) Config() (bridge.Config, error) {
	layout, err := compat.LayoutNamed(d.Layout)
	if err != nil {
		return bridge.Config{}, d.refused(d.firewall, err)
	}
	cfg := (&bridge.Installation{Host: d.Host}).Config()
	cfg.Layout, cfg.UnheldPorts, cfg.Accounting = layout, true, d.Accounting
	return cfg, nil
}

// Facts are what the document asks for, with defaults filled in. What the library
// refuses is an [*Error].
func (d *Document) Facts() (*bridge.View, error) {
	cfg, err := d.Config()
	if err != nil {
		return nil, err
	}
	view, err := bridge.Rehearse(cfg, d.make)
	if err != nil {
		return nil, d.refused(d.firewall, err)
	}
	return view, nil
}

// make does all that the document says, on an empty host.
func (d *Document) make(tx *bridge.Tx) error {
	for _, step := range []func(*bridge.Tx) error{d.makeNetworks, d.attach, d.publish, d.link, d.checkUserRules} {
		if err := step(tx); err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) makeNetworks(tx *bridge.Tx) error {
	for _, n := range d.Networks {
		tx.CreateNetwork(n.Spec)
		if err := tx.Err(); err != nil {
			return d.refused(n.place, err)
		}
	}
	return nil
}

func (d *Document) attach(tx *bridge.Tx) error {
	for _, e := range d.Endpoints {
		if _, found := d.network(e.Network); !found {
			return &Error{File: d.File, Line: e.of("network"), Reason: fmt.Sprintf("endpoint %s: there is no network %s", printable(e.Spec.Name), printable(e.Network))}
		}
		tx.Network(e.Network).Attach(e.Spec)
		if err := tx.Err(); err != nil {
			return d.refused(e.place, err)
		}
	}
	return nil
}

// publish publishes what leaves no choice first, so that nothing else is given
// the same port.
func (d *Document) publish(tx *bridge.Tx) error {
	for _, open := range []bool{false, true} {
		for _, e := range d.Endpoints {
			for _, p := range e.Publish {
				if p.Port.Dynamic() != open {
					continue
				}
				tx.Network(e.Network).Endpoint(e.Spec.Name).PublishWithin(p.Scope, p.Port)
				if err := tx.Err(); err != nil {
					return d.refused(p.place, err)
				}
			}
		}
	}
	return nil
}

func (d *Document) link(tx *bridge.Tx) error {
	for _, e := range d.Endpoints {
		for _, l := range e.Links {
			tx.Network(e.Network).Endpoint(e.Spec.Name).Link(l.To, l.Ports...)
			if err := tx.Err(); err != nil {
				return d.refused(l.place, err)
			}
		}
	}
	return nil
}

// checkUserRules refuses rules where there is no chain for them.
func (d *Document) checkUserRules(tx *bridge.Tx) error {
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if rules := d.UserRules[f]; rules != nil && !rules.none() {
			tx.UserChain(f)
			if err := tx.Err(); err != nil {
				return d.refused(rules.place, err)
			}
		}
	}
	return nil
}

// none tells whether there is neither a rule nor a chain beside DOCKER-USER.
func (u *UserRules) none() bool {
	chains := u.Save.Tables[0].Chains
	return len(chains) == 1 && len(chains[0].Rules) == 0
}

func (d *Document) network(name string) (*Network, bool) {
	for _, n := range d.Networks {
		if n.Spec.Name == name {
			return n, true
		}
	}
	return nil, false
}

// Blame says which line of the document is behind an error of the library about a
// network, or, if they are named, one of its endpoints and something that this
// publishes. What is not in the document is not to blame.
func (d *Document) Blame(err error, network, endpoint string, port *bridge.Binding) error {
	for _, e := range d.Endpoints {
		if e.Network != network || e.Spec.Name != endpoint {
			continue
		}
		for _, p := range e.Publish {
			if port != nil && p.Port == port.Port {
				return d.refused(p.place, err)
			}
		}
		return d.refused(e.place, err)
	}
	if n, found := d.network(network); found && endpoint == "" {
		return d.refused(n.place, err)
	}
	return err
}

// BlameUser is Blame for the user rules of a family.
func (d *Document) BlameUser(err error, f nft.Family) error {
	return d.refused(d.UserRules[f].place, err)
}

// BlameFirewall is Blame for one of the firewall's own options.
func (d *Document) BlameFirewall(option string, err error) error {
	return &Error{d.File, d.firewall.of(option), err.Error(), err}
}
