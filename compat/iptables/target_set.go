package iptables

import (
	"fmt"
	"math"

	"github.com/seawall-net/seawall/nft"
)

// setTarget adds the packet to a set of ipset, or deletes it there.
type setTarget struct {
	add, del setUse
	exist    bool
	// timeout is in seconds, noTimeout for that of the set.
	timeout uint32
}

const (
	noTimeout = math.MaxUint32
	// setExist is a bit of the kernel's xt_set_info_target_v3.
	setExist = 1 << 0
)

func targetSet() *Module {
	return &Module{
		Name: "SET", Target: true,
		Options: []Option{
			{Name: "add-set", Kind: KindText, Min: 1, Max: maxSetName, Words: 1, Value: "name src|dst[,...]"},
			{Name: "del-set", Kind: KindText, Min: 1, Max: maxSetName, Words: 1, Value: "name src|dst[,...]"},
			{Name: "exist", Multi: true, Also: []string{"add-set"}},
			{Name: "timeout", Kind: KindNumber, Max: noTimeout - 1, Multi: true, Also: []string{"add-set"}, Value: "seconds"},
		},
		OneOf: []string{"add-set", "del-set"},
		parse: func(a *arguments) extension {
			t := setTarget{add: parseSetUse(a, "add-set"), del: parseSetUse(a, "del-set"), exist: a.has("exist"), timeout: noTimeout}
			if a.has("timeout") {
				t.timeout = uint32(a.number("timeout"))
			}
			return t
		},
		decode: decodeSetTarget,
	}
}

func (t setTarget) format(w *words) {
	if t.add.dim != 0 {
		w.option(false, "add-set")
		t.add.format(w)
	}
	if t.exist {
		w.option(false, "exist")
	}
	if t.timeout != noTimeout {
		w.option(false, "timeout", fmt.Sprint(t.timeout))
	}
	if t.del.dim != 0 {
		w.option(false, "del-set")
		t.del.format(w)
	}
}

func (t setTarget) xt(nft.Family) (uint32, []byte) {
	var l layout
	t.add.layout(&l, 0)
	t.del.layout(&l, 0)
	setUse{}.layout(&l, 0) // --map-set
	l.u32(uint32(b2u(t.exist) * setExist))
	l.u32(t.timeout)
	return 3, l.b
}

func decodeSetTarget(s *structure) extension {
	s.only(3)
	var t setTarget
	var bits [3]uint8
	var other setUse
	t.add, bits[0] = s.setUse()
	t.del, bits[1] = s.setUse()
	other, bits[2] = s.setUse()
	flags := s.u32()
	t.exist, t.timeout = flags&setExist != 0, s.u32()
	switch {
	case other != setUse{}:
		s.fail("--map-set is not supported")
	case bits != [3]uint8{} || flags > setExist:
		s.fail("unknown flags %#x and %#x", bits, flags)
	case t.add.dim == 0 && (t.del.dim == 0 || t.exist || t.timeout != noTimeout):
		s.fail("no set")
	}
	return t
}

func (t setTarget) plain() extension {
	t.add, t.del = t.add.plain(), t.del.plain()
	return t
}

func (t setTarget) mapSets(f func(*setUse) error) (extension, error) {
	for _, u := range []*setUse{&t.add, &t.del} {
		if u.dim == 0 {
			continue
		}
		if err := f(u); err != nil {
			return t, err
		}
	}
	return t, nil
}
