package bridge

import (
	"errors"
	"fmt"

	"github.com/seawall-net/seawall/nft"
)

// reprogram returns the batch that turns the objects that are there of ours,
// own, into what the present facts need. Others' objects are not looked at.
func (fw *Firewall) reprogram(have, own *nft.Ruleset) (nft.Batch, error) {
	want := fw.union.Ruleset()
	for o := range want.Objects() {
		if own.Lookup(o.ID()) == nil && have.Lookup(o.ID()) != nil {
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
	b := nft.Diff(from, to)
	b.Generation = have.Generation
	return b, nil
}

// closed returns a copy of a ruleset with tables that hold nothing else.
func closed(rs *nft.Ruleset) (*nft.Ruleset, error) {
	var out nft.Ruleset
	var errs []error
	for o := range rs.Objects() {
		if t, ok := o.(*nft.Table); ok {
			shut := *t
			shut.Open = false
			o = &shut
		}
		errs = append(errs, out.Add(o))
	}
	return &out, errors.Join(errs...)
}
