package bridge

import "github.com/seawall-net/seawall/nft"

// What others have destroyed comes back with what it had counted when it was last
// read. Updates need none of this: what they leave alone goes on counting.

// keptCounters is what our objects had counted when they were last read, if that
// is anything. The zero value is empty.
type keptCounters struct {
	rules    map[nft.ID]Count
	elements map[countedElement]Count
}

// A countedElement is an element of a set with counters.
type countedElement struct {
	set nft.SetRef
	key nft.Value
}

// keepCounters takes down what the objects of a ruleset that was read have counted.
// What is not in it keeps what it had before. fw.mu has to be locked.
func (fw *Firewall) keepCounters(have *nft.Ruleset) { fw.kept.read(have) }

// withCounters returns a batch that repairs or reprograms, with the counters of
// what it makes anew where they were last. fw.mu has to be locked.
func (fw *Firewall) withCounters(b nft.Batch) nft.Batch {
	if len(fw.kept.rules)+len(fw.kept.elements) == 0 {
		return b
	}
	return b.WithCounters(fw.kept.of)
}

func (k *keptCounters) read(have *nft.Ruleset) {
	if k.rules == nil {
		k.rules, k.elements = map[nft.ID]Count{}, map[countedElement]Count{}
	}
	for _, t := range have.Tables() {
		for _, c := range have.Chains(t.Ref()) {
			for _, r := range have.Rules(c.Ref()) {
				if packets, bytes, ok := r.Count(); ok && r.Key != "" {
					keep(k.rules, r.ID(), packets, bytes)
				}
			}
		}
		for _, s := range have.Sets(t.Ref()) {
			if !s.Counter {
				continue
			}
			for _, e := range have.Elements(s.Ref()) {
				keep(k.elements, countedElement{e.Set, e.Key}, e.Packets, e.Bytes)
			}
		}
	}
}

func keep[K comparable](m map[K]Count, key K, packets, bytes uint64) {
	if packets|bytes == 0 {
		delete(m, key)
	} else {
		m[key] = Count{packets, bytes}
	}
}

// of is what an object had counted.
func (k *keptCounters) of(o nft.Object) (packets, bytes uint64) {
	var c Count
	switch o := o.(type) {
	case *nft.Rule:
		c = k.rules[o.ID()]
	case *nft.Element:
		c = k.elements[countedElement{o.Set, o.Key}]
	}
	return c.Packets, c.Bytes
}

// forget forgets the objects that an update has added or deleted: they count from
// the start.
func (k *keptCounters) forget(b nft.Batch) {
	if len(k.rules)+len(k.elements) == 0 {
		return
	}
	for o := range b.Objects() {
		switch o := o.(type) {
		case *nft.Rule:
			delete(k.rules, o.ID())
		case *nft.Element:
			delete(k.elements, countedElement{o.Set, o.Key})
		}
	}
}
