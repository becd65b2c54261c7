package iptables

import (
	"testing"

	"github.com/seawall-net/seawall/nft"
)

// What the decoders accept is written in a form that is read back as the same,
// and encoded as what is decoded as the same.
func FuzzConnectionDecoders(f *testing.F) {
	modules := connectionModules()
	place := func(name string, target bool) int {
		for i, m := range modules {
			if m.Name == name && m.Target == target {
				return i
			}
		}
		return -1
	}
	for _, c := range connectionCases {
		for _, n := range c.families {
			family := nft.IPv4
			if n == '6' {
				family = nft.IPv6
			}
			r, err := ParseText(Context{Family: family}, c.rule)
			if err == nil {
				r, err = r.Resolve(testSets{})
			}
			if err != nil {
				f.Fatal(err)
			}
			add := func(m *Module, v extension) {
				_, info := v.xt(family)
				f.Add(place(m.Name, m.Target), n == '6', info)
			}
			for _, m := range r.Matches {
				add(m.module, m.value)
			}
			if r.Target.module != nil {
				add(r.Target.module, r.Target.value)
			}
		}
	}
	revisions := map[string]uint32{"connlimit": 1, "connmark": 1, "hashlimit": 3, "iprange": 1, "recent": 1, "set": 4, "string": 1,
		"CONNMARK": 2, "MARK": 2, "SET": 3, "TEE": 1}
	f.Fuzz(func(t *testing.T, n int, six bool, info []byte) {
		if n < 0 || n >= len(modules) {
			return
		}
		m, family := modules[n], nft.IPv4
		if six {
			family = nft.IPv6
		}
		if m.Family != 0 && m.Family != family {
			return
		}
		decode := func(b []byte) (extension, error) {
			s := &structure{family: family, name: m.Name, revision: revisions[m.Name], b: b}
			v := m.decode(s)
			s.end()
			return v, s.err
		}
		v, err := decode(info)
		if err != nil {
			return
		}
		revision, b := v.xt(family)
		if revision != revisions[m.Name] {
			t.Errorf("%s is encoded as revision %d", m.Name, revision)
		}
		again, err := decode(b)
		if err != nil || again != v {
			t.Errorf("%s: %+v became %+v, %v", m.Name, v, again, err)
		}
		r := Rule{Family: family}
		if m.Target {
			r.Target = Target{module: m, value: v}
		} else {
			r.Matches = []Match{{m, v}}
		}
		text := r.String()
		back, err := ParseText(Context{Family: family}, text)
		if err != nil || back.String() != text {
			t.Errorf("%s: read back as %s, %v", text, back, err)
		}
	})
}
