package bridge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// accept makes facts and union of what was found, or says why that is not what is
// there.
func (s *search) accept() *RebuildError {
	if err := s.fw.restore(s.host, s.records); err != nil {
		return &RebuildError{Err: err}
	}
	own := s.fw.union.Ruleset()
	var bad RebuildError
	for o := range own.Objects() {
		s.compare(own, o, &bad)
	}
	for _, t := range s.have.Tables() {
		for _, set := range s.have.Sets(t.Ref()) {
			if s.known[set.ID()] && own.Lookup(set.ID()) == nil {
				bad.Extra = append(bad.Extra, s.describe(set))
			}
		}
	}
	if len(bad.Missing)+len(bad.Extra) == 0 {
		return nil
	}
	return &bad
}

// compare compares a container of ours with the one that is there.
func (s *search) compare(own *nft.Ruleset, o nft.Object, bad *RebuildError) {
	switch o := o.(type) {
	case *nft.Table, *nft.Chain, *nft.Set:
		c, _ := o.(*nft.Chain)
		there := s.have.Lookup(o.ID())
		if there == nil || !s.there[look(o)] && (c == nil || !c.Shared) {
			if _, table := o.(*nft.Table); !table || there == nil {
				bad.Missing = append(bad.Missing, s.describe(o))
				return
			}
		}
		if c != nil {
			s.compareRules(c, s.have.Rules(c.Ref()), own.Rules(c.Ref()), bad)
		} else if set, ok := o.(*nft.Set); ok && set.Name != "facts" {
			have, want := map[any]nft.Object{}, map[any]nft.Object{}
			for _, e := range s.have.Elements(set.Ref()) {
				have[look(e)] = e
			}
			for _, e := range own.Elements(set.Ref()) {
				want[look(e)] = e
			}
			bad.Missing = append(bad.Missing, s.less(want, have)...)
			bad.Extra = append(bad.Extra, s.less(have, want)...)
		}
	}
}

// compareRules does the same for the rules of a chain. Those of others are
// among ours in chains that they use, too.
func (s *search) compareRules(c *nft.Chain, have, own []*nft.Rule, bad *RebuildError) {
	if c.Open || c.Shared {
		i := 0
		for _, h := range have {
			if i < len(own) && look(h) == look(own[i]) {
				i++
			}
		}
		for _, r := range own[i:] {
			bad.Missing = append(bad.Missing, s.describe(r))
		}
		return
	}
	there, wanted := map[any]nft.Object{}, map[any]nft.Object{}
	for _, r := range have {
		there[look(r)] = r
	}
	for _, r := range own {
		wanted[look(r)] = r
	}
	missing, extra := s.less(wanted, there), s.less(there, wanted)
	bad.Missing, bad.Extra = append(bad.Missing, missing...), append(bad.Extra, extra...)
	if len(missing)+len(extra) == 0 && !slices.EqualFunc(have, own, func(h, r *nft.Rule) bool { return look(h) == look(r) }) {
		bad.Extra = append(bad.Extra, s.describe(c)+": the order of its rules, or one that is there twice")
	}
}

// less describes what is in one map and not in the other.
func (s *search) less(a, b map[any]nft.Object) (out []string) {
	for l, o := range a {
		if b[l] == nil {
			out = append(out, s.describe(o))
		}
	}
	slices.Sort(out)
	return out
}

// describe names an object by what a listing shows.
func (s *search) describe(o nft.Object) string {
	switch o := o.(type) {
	case *nft.Rule:
		return fmt.Sprintf("rule %s %s", o.Chain, o)
	case *nft.Element:
		var b nft.Batch
		if set, ok := s.have.Lookup(nft.ID{Kind: nft.KindSet, Table: o.Set.Table(), Name: o.Set.Name()}).(*nft.Set); ok {
			b.Add(set) // it knows the types
		}
		e := *o
		e.Comment = ""
		b.Add(&e)
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		return strings.TrimPrefix(lines[len(lines)-1], "add ")
	}
	return o.ID().String()
}
