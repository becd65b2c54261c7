package nft

import "slices"

// A plan orders the deletions and additions of a change so that the kernel
// accepts them in one batch: what refers goes before what it refers to, and
// comes after it.
type plan struct {
	del, add plannedObjects
	// chains gives the final order of the keyed rules of each chain that gets
	// new ones.
	chains map[ChainRef][]placed
}

type plannedObjects struct {
	tables   []Object
	chains   []Object
	sets     []Object
	rules    []Object
	elements []setElements // few sets, but many elements
}

// setElements are elements of one set: they share messages.
type setElements struct {
	set      SetRef
	elements []*Element
}

// A placed rule is one of a chain's rules in their final order: either there
// already, with a handle, or to be added.
type placed struct {
	rule   *Rule
	handle uint64
	isNew  bool
}

func (p *plannedObjects) push(o Object) {
	switch o := o.(type) {
	case *Table:
		p.tables = append(p.tables, o)
	case *Chain:
		p.chains = append(p.chains, o)
	case *Set:
		p.sets = append(p.sets, o)
	case *Rule:
		p.rules = append(p.rules, o)
	case *Element:
		elements := p.of(o.Set)
		if n := len(*elements); n == cap(*elements) {
			*elements = slices.Grow(*elements, max(1, n)) // append alone grows large slices by little
		}
		*elements = append(*elements, o)
	}
}

// of returns the list of a set's elements. The sets that elements are pushed to
// in turn are the last ones.
func (p *plannedObjects) of(ref SetRef) *[]*Element {
	for i := len(p.elements) - 1; i >= 0; i-- {
		if p.elements[i].set == ref {
			return &p.elements[i].elements
		}
	}
	p.elements = append(p.elements, setElements{set: ref})
	return &p.elements[len(p.elements)-1].elements
}

// batch returns the plan as a batch.
func (p *plan) batch() Batch {
	var b Batch
	p.deletions(&b)
	b.Add(p.add.tables...)
	b.Add(p.add.chains...)
	b.Add(p.add.sets...)
	for _, s := range p.add.elements {
		b.ops = append(b.ops, op{verb: verbAdd, set: s.set, elements: s.elements})
	}
	for _, o := range p.add.rules {
		ref := o.(*Rule).Chain
		if final, ok := p.chains[ref]; ok {
			placeRules(&b, final)
			delete(p.chains, ref)
		}
	}
	return b
}

// deletions leaves out what the kernel deletes along with its container.
func (p *plan) deletions(b *Batch) {
	dying := map[ID]bool{}
	for _, list := range [][]Object{p.del.tables, p.del.chains, p.del.sets} {
		for _, o := range list {
			dying[o.ID()] = true
		}
	}
	tableDies := func(t TableRef) bool { return len(dying) > 0 && dying[ID{Kind: KindTable, Table: t}] }

	for _, s := range p.del.elements {
		if !tableDies(s.set.Table()) && (len(dying) == 0 || !dying[ID{Kind: KindSet, Table: s.set.Table(), Name: s.set.Name()}]) {
			b.ops = append(b.ops, op{verb: verbDelete, set: s.set, elements: s.elements})
		}
	}
	for _, o := range p.del.rules {
		chain := o.(*Rule).Chain
		if !tableDies(chain.Table) && !dying[ID{Kind: KindChain, Table: chain.Table, Name: chain.Name}] {
			b.Delete(o)
		}
	}
	// Chains that jump to each other can only go when all of them are empty.
	for _, o := range p.del.chains {
		if !tableDies(o.ID().Table) {
			b.Flush(o)
		}
	}
	for _, list := range [][]Object{p.del.sets, p.del.chains} {
		for _, o := range list {
			if !tableDies(o.ID().Table) {
				b.Delete(o)
			}
		}
	}
	b.Delete(p.del.tables...)
}

// placeRules adds the new rules, each between its neighbours.
func placeRules(b *Batch, final []placed) {
	for i := 0; i < len(final); {
		if !final[i].isNew {
			i++
			continue
		}
		j := i
		for j < len(final) && final[j].isNew {
			j++
		}
		var prev, next *placed
		if i > 0 {
			prev = &final[i-1]
		}
		if j < len(final) {
			next = &final[j]
		}
		head := i
		for head < j && final[head].rule.Rank < 0 {
			head++
		}
		placeHead(b, final[i:head], prev)
		placeTail(b, final[head:j], next)
		i = j
	}
}

// placeHead places rules of negative rank: they stay before the rules of others,
// and right behind those of ours that come before them.
func placeHead(b *Batch, rules []placed, prev *placed) {
	for i := len(rules) - 1; i >= 0; i-- {
		if prev != nil {
			b.AddRule(rules[i].rule, prev.handle)
		} else {
			b.InsertRule(rules[i].rule, 0)
		}
	}
}

// placeTail places the others, behind the rules of others.
func placeTail(b *Batch, rules []placed, next *placed) {
	for _, r := range rules {
		if next != nil {
			b.InsertRule(r.rule, next.handle)
		} else {
			b.AddRule(r.rule, 0)
		}
	}
}
