package bridge

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// reprogram returns the batch that turns the objects that are there of ours,
// own, into what the present facts need. Others' objects are not looked at.
func (fw *Firewall) reprogram(have, own *nft.Ruleset) (nft.Batch, error) {
	want := fw.union.Ruleset()
	for o := range want.Objects() {
		if own.Lookup(o.ID()) == nil && have.Lookup(o.ID()) != nil && !shared(o) {
			return nft.Batch{}, fmt.Errorf("%s is needed, but is there and somebody else's: %w", o.ID(), errExist)
		}
	}
	from, err := closed(own)
	if err != nil {
		return nft.Batch{}, err
	}
	to, err := closed(want)
	if err != nil {
		return nft.Batch{}, err
	}
	for o := range own.Objects() {
		if to.Lookup(o.ID()) == nil && staysWithUs(have, o) {
			if t, ok := o.(*nft.Table); ok {
				o = closedTable(t) // what else is in it is ours, and goes
			}
			err = errors.Join(err, to.Add(o))
		}
	}
	b := nft.Diff(from, to)
	b.Generation = have.Generation
	return b, err
}

// shared tells whether an object may be others', too.
func shared(o nft.Object) bool {
	switch o := o.(type) {
	case *nft.Table:
		return o.Userdata != ""
	case *nft.Chain:
		return o.Shared || o.Open
	}
	return false
}

// staysWithUs tells whether an object of ours that is not needed any more stays as
// long as the firewall does, since others use it.
func staysWithUs(have *nft.Ruleset, o nft.Object) bool {
	switch o := o.(type) {
	case *nft.Table:
		return shared(o)
	case *nft.Chain:
		return o.Shared || o.Open && slices.ContainsFunc(have.Rules(o.Ref()), func(r *nft.Rule) bool { return r.Key == "" })
	}
	return false
}

// closed returns a copy of a ruleset with tables that hold nothing else.
func closed(rs *nft.Ruleset) (*nft.Ruleset, error) {
	var out nft.Ruleset
	var errs []error
	for o := range rs.Objects() {
		if t, ok := o.(*nft.Table); ok {
			o = closedTable(t)
		}
		errs = append(errs, out.Add(o))
	}
	return &out, errors.Join(errs...)
}

// closedTable is a table in which all is ours.
func closedTable(t *nft.Table) *nft.Table {
	closed := *t
	closed.Open = false
	return &closed
}
