package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// The kernel is the database: several processes may have the firewall of a host
// open. What is there that is not ours is either damage or another process's
// doing. It is the latter if all of it is just what the records in it say.

// follow finds out whether the kernel has moved on, and takes over what another
// process has made of the facts. If nobody has committed anything since, that
// costs one question. It fails with a *DriftError if our objects were changed by
// others.
func (fw *Firewall) follow(ctx context.Context) error {
	generation, err := fw.conn.Generation(ctx)
	if err != nil || generation == fw.generation {
		return err
	}
	if fw.witness != nil {
		if err := fw.catchUp(ctx); !errors.Is(err, errTouched) {
			return err
		}
	}
	if err := fw.callWitness(ctx); err != nil {
		return err
	}
	_, err = fw.resync(ctx)
	return err
}

// resync compares the kernel with the facts. If it holds other facts, and just
// what they need, they are another process's, and taken over: then adopted is
// true, and View has them. If it holds something else, the error is a *DriftError
// whose Repair brings our facts back; but [ErrForeignTable] if it is of another
// layout or version, and not to be repaired away.
func (fw *Firewall) resync(ctx context.Context) (adopted bool, err error) {
	have, err := fw.load(ctx)
	if err != nil {
		return false, err
	}
	own := fw.union.Ruleset()
	recognise(have, own)
	repair := nft.Diff(have, own)
	if repair.Len() == 0 {
		fw.union.SetHandles(have, nft.Result{})
		return false, nil
	}
	if adopted, err = fw.takeOverOthers(ctx, have, repair); err != nil {
		fw.distrust() // the next commit must not take this for the right state
	}
	return adopted, err
}

// takeOverOthers takes over the facts in the kernel, which are not ours, or fails
// with a *DriftError with a repair, or with [ErrForeignTable] if what is there is
// another layout's or another version's. No change of the union must be open.
func (fw *Firewall) takeOverOthers(ctx context.Context, have *nft.Ruleset, repair nft.Batch) (adopted bool, err error) {
	before, union, order := fw.state, fw.union, fw.state.order
	if err := fw.adoptOthers(have); err != nil {
		fw.state, fw.union = before, union
		if errors.Is(err, errOtherLayout) || errors.Is(err, errOtherVersion) {
			return false, err
		}
		return false, &DriftError{Repair: repair}
	}
	fw.state.order = max(fw.state.order, order) // what was lost in between is not used again
	fw.view = nil
	fw.anchor.outdated()
	fw.followSockets(ctx)
	return true, nil
}

var (
	// errNotFirewall says that a ruleset is not what its records need.
	errNotFirewall = errors.New("its objects are not what its records need")
	// errOtherLayout says that another process has moved the host to another
	// layout. This one cannot follow, and must not repair that away.
	errOtherLayout = fmt.Errorf("another process has opened the firewall with another layout: close it here, and open it with that one: %w", ErrForeignTable)
)

// adoptOthers makes facts and union of what is in the kernel, if that is all right.
func (fw *Firewall) adoptOthers(have *nft.Ruleset) error {
	records, err := fw.records(have)
	switch {
	case err != nil:
		return err
	case len(records) == 0:
		return fmt.Errorf("there are no records: %w", errNotExist)
	case records[0].layout != fw.layout.Name():
		return fmt.Errorf("layout %q: %w", records[0].layout, errOtherLayout)
	}
	host := records[0].host
	host.record = host.encode(records[0].layout)
	if fw.lacks(have, &host) {
		return errNotFirewall // whatever the other records say: that is soon found out
	}
	if err := fw.restore(&host, records[1:]); err != nil {
		return err
	}
	recognise(have, fw.union.Ruleset())
	own := fw.union.Ruleset()
	if drift := nft.Diff(have, own); drift.Len() > 0 || slices.ContainsFunc(have.Tables(), func(t *nft.Table) bool {
		return len(strays(have, own, t.Ref())) > 0
	}) {
		return errNotFirewall
	}
	fw.union.SetHandles(have, nft.Result{})
	return nil
}

// lacks tells whether a table, chain or set that a host's firewall always has is
// missing.
func (fw *Firewall) lacks(have *nft.Ruleset, host *Host) (missing bool) {
	fw.layout.Compile(host, func(o nft.Object) {
		switch o.ID().Kind {
		case nft.KindTable, nft.KindChain, nft.KindSet:
			missing = missing || have.Lookup(o.ID()) == nil
		}
	})
	return missing
}

// keepOthers adds to the facts those of which the kernel has records and we know
// nothing: another process has made them, and somebody has damaged our tables
// since. It is for whoever repairs that: to bring back our facts alone would
// remove the other's. What cannot be is left out.
func (fw *Firewall) keepOthers(ctx context.Context, have *nft.Ruleset) (added bool) {
	before, union, order := fw.state, fw.union, fw.state.order
	var all []record
	known := map[factKey]bool{}
	for _, f := range before.facts()[1:] {
		r, err := decodeRecord(wholeRecord(f))
		if err != nil {
			return false
		}
		known[r.key()] = true
		all = append(all, r)
	}
	theirs, _ := fw.readRecords(have, func(error) {})
	for _, r := range theirs {
		if r.kind != recordHost && r.kind != recordForward && !known[r.key()] {
			added = true
			all = append(all, r)
		}
	}
	if !added {
		return false
	}
	sortRecords(all)
	if fw.restore(before.host, all) != nil {
		fw.state, fw.union = before, union
		return false
	}
	fw.union.SetHandles(have, nft.Result{})
	fw.state.order = max(fw.state.order, order)
	fw.view = nil
	fw.anchor.outdated()
	fw.followSockets(ctx)
	return true
}

// followSockets gives up the ports that are published no longer, and holds those
// that are new as far as they can be had: another process may hold them.
func (fw *Firewall) followSockets(ctx context.Context) {
	if fw.sockets == nil {
		return
	}
	published := map[hostPort]bool{}
	var fresh []hostPort
	for p := range fw.state.hostPorts() {
		published[p] = true
		if fw.sockets.held[p] == nil && fw.sockets.unheld[p] == nil {
			fresh = append(fresh, p)
		}
	}
	fw.sockets.keep(published)
	fw.sockets.hold(fresh)
	if len(fresh) > 0 {
		fw.logUnheld(ctx)
	}
}
