package iptables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// A SetResolver knows the sets of ipset in a network namespace. Rules are
// parsed and written with their names, but the kernel wants their numbers, which
// differ from one boot to the next: [Rule.Resolve] asks for them.
type SetResolver interface {
	// Index finds a set by its name. Family is 0 for a set that is for both.
	Index(name string) (index uint16, family nft.Family, err error)
	// Name finds a set by its number.
	Name(index uint16) (name string, err error)
}

// Resolve looks up the sets that the matches and targets of the rule use
// (-m set, -j SET): the numbers of those that were parsed, again if they are
// known already, and the names of those that were read back from the kernel. Of
// a rule that uses none, it asks nothing. The error of a set that does not exist
// is the resolver's, and names the rule.
//
// A parsed rule with sets has no [Rule.Statements] before it is resolved.
// Rules should be compiled soon after: a set that is destroyed and made anew has
// another number.
func (r Rule) Resolve(sets SetResolver) (Rule, error) {
	return r.mapSets(func(u *setUse) error {
		if u.name == "" {
			name, err := sets.Name(u.index)
			u.name = name
			return err
		}
		index, family, err := sets.Index(u.name)
		if err != nil {
			return err
		}
		if family != 0 && family != r.Family {
			return fmt.Errorf("set %s is for family %s", u.name, family)
		}
		u.index, u.resolved = index, true
		return nil
	})
}

// UsesSets tells whether the rule needs [Rule.Resolve].
func (r Rule) UsesSets() bool {
	used := false
	_, _ = r.mapSets(func(*setUse) error { used = true; return nil })
	return used
}

// checkResolved refuses a rule whose sets have no numbers yet.
func (r Rule) checkResolved() error {
	_, err := r.mapSets(func(u *setUse) error {
		if !u.resolved {
			return fmt.Errorf("set %s is not resolved: call Rule.Resolve before", u.name)
		}
		return nil
	})
	return err
}

// A setUser is an extension that uses sets.
type setUser interface {
	// mapSets returns the extension with its sets changed by f.
	mapSets(f func(*setUse) error) (extension, error)
}

func (r Rule) mapSets(f func(*setUse) error) (Rule, error) {
	change := func(v extension) (extension, error) {
		if u, ok := v.(setUser); ok {
			return u.mapSets(f)
		}
		return v, nil
	}
	out := r
	out.Matches = slices.Clone(r.Matches)
	var err error
	for i := range out.Matches {
		m := &out.Matches[i]
		if m.value, err = change(m.value); err != nil {
			return r, fmt.Errorf("iptables: rule %q: %w", r, err)
		}
	}
	if out.Target.value, err = change(r.Target.value); err != nil {
		return r, fmt.Errorf("iptables: rule %q: %w", r, err)
	}
	return out, nil
}

// A setUse is a set, and which parts of a packet are looked up in it; the zero
// value is none.
type setUse struct {
	// name is empty if only index is known.
	name string
	// index is the kernel's number, if resolved.
	index    uint16
	resolved bool
	// dim is the number of parts, and bit n of src is set if the nth, from 1 on, is
	// the packet's source.
	dim, src uint8
}

const (
	// maxSetName is the longest name, without the zero at its end.
	maxSetName = 31
	// maxSetDim is the kernel's limit to the parts of an element.
	maxSetDim = 6
	// noSet is the number of no set.
	noSet = 1<<16 - 1
)

// parseSetUse reads an option with the words "name src,dst".
func parseSetUse(a *arguments, option string) setUse {
	if !a.has(option) {
		return setUse{}
	}
	u := setUse{name: a.text(option)}
	for part := range strings.SplitSeq(a.word2(option), ",") {
		u.dim++
		switch {
		case u.dim > maxSetDim:
			a.fail(option, "more than %d parts", maxSetDim)
			return u
		case part == "src":
			u.src |= 1 << u.dim
		case part != "dst":
			a.fail(option, "%q is neither src nor dst", part)
		}
	}
	return u
}

// text is the name, or the number of a set that was not resolved.
func (u setUse) text() string {
	if u.name == "" {
		return fmt.Sprintf("#%d", u.index)
	}
	return u.name
}

func (u setUse) format(w *words) {
	w.name(u.text())
	var parts []string
	for n := range u.dim {
		if u.src&(2<<n) != 0 {
			parts = append(parts, "src")
		} else {
			parts = append(parts, "dst")
		}
	}
	w.add(strings.Join(parts, ","))
}

// layout writes a struct xt_set_info, with more flags.
func (u setUse) layout(l *layout, flags uint8) {
	if u.dim == 0 {
		u.index = noSet
	}
	l.u16(u.index)
	l.u8(u.dim)
	l.u8(u.src | flags)
}

// setUse reads a struct xt_set_info, and the flags that are no part of it.
func (s *structure) setUse() (u setUse, flags uint8) {
	index, dim, bits := s.u16(), s.u8(), s.u8()
	if index == noSet && dim == 0 && bits == 0 {
		return setUse{}, 0
	}
	if dim == 0 || dim > maxSetDim {
		s.fail("a set with %d parts", dim)
		return setUse{}, 0
	}
	src := bits & (1<<(dim+1) - 2)
	return setUse{index: index, resolved: true, dim: dim, src: src}, bits &^ src
}
