package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// ErrForeignTable says that a table of the layout's name is there, with chains
// or sets of the layout's names, but holds no facts that this version can read.
var ErrForeignTable = errors.New("the table was made by something else, or by another version")

// adopt takes over what is in the kernel, or starts anew where nothing is.
func (fw *Firewall) adopt(ctx context.Context) error {
	var was former
	have, result, err := fw.converge(ctx, opOpen, func(have *nft.Ruleset) (b nft.Batch, err error) {
		was, b, err = fw.takeOver(have)
		return b, err
	})
	fw.moved = true
	if err == nil {
		fw.union.SetHandles(have, result)
		err = fw.alignLinks(ctx, was.host)
		if was.host != nil {
			// Flows were led by other options, or the last process was killed
			// before it could end them.
			fw.flows.all = true
			fw.purge(ctx)
		}
	} else if was.own != nil {
		err = fw.explainBusy(have, was.own, err)
	}
	if err != nil {
		return fmt.Errorf("bridge: open: %w", err)
	}
	return nil
}

// former is what the last firewall of a host has left: itself, and its objects.
type former struct {
	host *Host
	own  *nft.Ruleset
}

// takeOver makes facts and union of what is in the kernel, and returns what is
// missing there: nothing, unless the tables are new or the configuration is.
func (fw *Firewall) takeOver(have *nft.Ruleset) (was former, b nft.Batch, err error) {
	records, err := fw.records(have)
	if err != nil {
		return was, b, err
	}
	if len(records) > 0 && records[0].layout != fw.layout.Name() {
		if fw.cfg.Former == nil || fw.cfg.Former.Name() != records[0].layout {
			return was, b, fmt.Errorf("the firewall that is there has layout %q, not %q: open it with that one, or name it as Config.Former: %w",
				records[0].layout, fw.layout.Name(), ErrForeignTable)
		}
		return fw.moveOver(have, records)
	}
	have = have.Only(fw.layout.Tables()...)
	host := fw.cfg.host()
	host.record = host.encode(fw.layout.Name())
	if len(records) == 0 {
		if err := fw.restore(host, nil); err != nil {
			return was, b, err
		}
		own := fw.union.Ruleset()
		recogniseAtHead(have, own)
		b = nft.Diff(have, own)
		fw.initUserChains(have, &b)
		return was, b, nil
	}
	before, records, layout := &records[0].host, records[1:], records[0].layout
	before.record = before.encode(layout)
	if err := fw.restore(before, records); err != nil {
		return was, b, err
	}
	recognise(have, fw.union.Ruleset())
	fw.union.SetHandles(have, nft.Result{})
	was = former{before, fw.union.Ruleset()}
	if drift := nft.Diff(have, was.own); drift.Len() > 0 {
		return was, b, &DriftError{Repair: drift}
	}
	if before.record == host.record {
		return was, b, nil
	}
	if err := fw.restore(host, records); err != nil {
		return was, b, err
	}
	b, err = fw.reprogram(have, was.own)
	fw.alignPolicies(before, &b)
	b = fw.withCounters(b)
	return was, b, err
}

// records collects the facts in the kernel: the host first, then the others in
// the order in which they were made. There are none where the tables are
// missing, or hold nothing but what users have there.
func (fw *Firewall) records(have *nft.Ruleset) ([]record, error) {
	var bad error
	out, foreign := fw.readRecords(have, func(err error) { bad = cmp.Or(bad, err) })
	switch {
	case bad != nil:
		return nil, bad
	case len(out) == 0 && foreign != nil:
		return nil, &RecordsError{foreign}
	case len(out) > 0 && out[0].kind != recordHost:
		return nil, fmt.Errorf("the record of the host is missing, although %d others are there: %w", len(out), ErrForeignTable)
	}
	return out, nil
}

// readRecords collects the facts that can be read, calls bad for each record of
// ours that cannot, and names the objects that only we make.
func (fw *Firewall) readRecords(have *nft.Ruleset, bad func(error)) (out []record, foreign []nft.ID) {
	seen, parts := map[factKey]bool{}, recordParts{}
	base := fw.base()
	for o := range have.Objects() {
		if data := userdata(o); data != "" && data != recordOwn {
			r, err := decodeRecord(data)
			if err == nil && r.kind == recordPart {
				whole, complete := parts.add(r.part)
				if !complete {
					continue
				}
				r, err = decodeRecord(whole)
			}
			if err != nil && !base[container(o)] {
				continue // somebody else's; if it was ours, it will be missed
			}
			if err != nil {
				bad(fmt.Errorf("%s: %w: %w", o.ID(), ErrForeignTable, err))
				continue
			}
			if k := r.key(); !seen[k] {
				seen[k] = true
				out = append(out, r)
			}
			continue
		}
		if base[o.ID()] || fw.hookedUserChain(o) {
			foreign = append(foreign, o.ID())
		}
	}
	if err := parts.incomplete(seen); err != nil {
		bad(err)
	}
	sortRecords(out)
	return out, foreign
}

// sortRecords puts the host first, then the others in the order in which they
// were made.
func sortRecords(records []record) {
	rank := func(r record) int {
		switch r.kind {
		case recordHost:
			return 0
		case recordForward:
			return 1
		}
		return 2
	}
	slices.SortFunc(records, func(a, b record) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.order, b.order))
	})
}

// base returns the chains and sets that are there on every host, but for the
// user's chains.
func (fw *Firewall) base() map[nft.ID]bool {
	ids := map[nft.ID]bool{}
	fw.layout.Compile(&Host{}, func(o nft.Object) {
		switch o := o.(type) {
		case *nft.Set:
			ids[o.ID()] = true
		case *nft.Chain:
			ids[o.ID()] = !o.Shared && o.Ref() != fw.layout.UserChain(o.Table.Family)
		}
	})
	return ids
}

// hookedUserChain tells whether an object has the name of a user's chain, but
// cannot be jumped to.
func (fw *Firewall) hookedUserChain(o nft.Object) bool {
	c, ok := o.(*nft.Chain)
	return ok && c.Hook != nft.NoHook && c.Ref() == fw.layout.UserChain(c.Table.Family)
}

// container is the ID of the chain or set that an object is or is in.
func container(o nft.Object) nft.ID {
	switch o := o.(type) {
	case *nft.Rule:
		return nft.ID{Kind: nft.KindChain, Table: o.Chain.Table, Name: o.Chain.Name}
	case *nft.Element:
		return nft.ID{Kind: nft.KindSet, Table: o.Set.Table(), Name: o.Set.Name()}
	}
	return o.ID()
}

func userdata(o nft.Object) string {
	switch o := o.(type) {
	case *nft.Table:
		return o.Userdata
	case *nft.Chain:
		return o.Userdata
	case *nft.Set:
		return o.Userdata
	case *nft.Rule:
		return o.Userdata
	case *nft.Element:
		return o.Userdata
	}
	return ""
}

// restore makes facts of records, and forgets all others.
func (fw *Firewall) restore(host *Host, records []record) error {
	defer func(s *sockets) { fw.sockets = s }(fw.sockets)
	fw.state, fw.union, fw.sockets = newState(), nft.NewUnion(), nil // what is held is seen to later
	tx := &Tx{fw: fw, change: fw.union.Begin()}
	tx.add(host)
	networks, endpoints := map[uint64]*Network{}, map[uint64]*Endpoint{}
	for _, r := range records {
		if err := tx.restore(host, r, networks, endpoints); err != nil {
			return err
		}
		if tx.err != nil {
			return tx.err // the layout cannot do it
		}
	}
	if tx.err != nil {
		return tx.err
	}
	if _, err := tx.change.Batch(); err != nil {
		return err
	}
	tx.change.Commit(nft.Result{})
	return nil
}

func (tx *Tx) restore(host *Host, r record, networks map[uint64]*Network, endpoints map[uint64]*Endpoint) error {
	switch r.kind {
	case recordForward:
		f := &Forwarding{Host: host, Family: r.family, Policy: r.policy}
		f.record = f.encode()
		tx.add(f)
	case recordNetwork:
		spec, err := r.network.normalize()
		if err != nil {
			return err
		}
		n := &Network{Host: host, Order: r.order, Spec: spec}
		if err := tx.fw.state.checkNetwork(n); err != nil {
			return err
		}
		n.record = n.encode()
		networks[r.order] = n
		tx.add(n)
	case recordEndpoint:
		n := networks[r.parent]
		if n == nil {
			return fmt.Errorf("endpoint %s: its network: %w", r.end.Name, errNotExist)
		}
		spec, err := r.end.normalize(n)
		if err != nil {
			return err
		}
		e := &Endpoint{Network: n, Order: r.order, Spec: spec}
		if err := tx.fw.state.checkEndpoint(e); err != nil {
			return err
		}
		e.record = e.encode()
		endpoints[r.order] = e
		tx.add(e)
	case recordBinding:
		e := endpoints[r.parent]
		if e == nil {
			return fmt.Errorf("binding %s: its endpoint: %w", r.binding, errNotExist)
		}
		scope, bad := r.scope.normalize()
		if bad != nil {
			return bad
		}
		b, err := EndpointTx{tx, e}.binding(r.binding, scope)
		if err != nil {
			return err
		}
		if err := b.restore(r.order, r.first); err != nil {
			return err
		}
		return tx.addBindings(b)
	case recordLink:
		from, to := endpoints[r.parent], endpoints[r.to]
		if from == nil || to == nil || from.Network != to.Network {
			return fmt.Errorf("link %d: its endpoints: %w", r.order, errNotExist)
		}
		return tx.link(&ContainerLink{From: from, To: to, Order: r.order, Port: r.link})
	default:
		return fmt.Errorf("a second host record: %w", ErrForeignTable)
	}
	return nil
}
