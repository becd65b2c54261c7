package bridge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seawall-net/seawall/nft"
)

// maxChanges is how many changes an event lists.
const maxChanges = 10

// A deed is what somebody has done in one transaction, as far as it concerns us.
type deed struct {
	by         Process
	generation uint32
	at         time.Time
	changes    []string
	more       int
	// harm says that something of ours was changed, and maybe, that a rule
	// without a key was, which was ours before it lost it.
	harm, maybe bool
	// edited says that something of the user's was changed, and own, that we
	// did it.
	edited, own bool
	// wiped are the tables in which what is the user's went together with
	// what is ours.
	wiped []nft.TableRef
	// events are what was done to objects of ours.
	events []nft.Event
}

// judgeDeed finds out what a transaction has done to us. fw.mu is held.
func (fw *Firewall) judgeDeed(t nft.Transaction, at time.Time) deed {
	d := deed{by: Process{t.PID, t.Process}, generation: t.Generation, at: at, own: t.Port == fw.conn.Port()}
	var ours []nft.Event
	gone := map[nft.TableRef]struct{ ours, users bool }{}
	tables := fw.layout.Tables()
	for _, e := range t.Events {
		if !slices.Contains(tables, e.ID.Table) {
			continue
		}
		what := fw.concern(e.ID)
		d.edited = d.edited || what == users
		if d.own {
			continue
		}
		d.harm = d.harm || what == oursAlone
		d.maybe = d.maybe || what == oursOrOthers && e.Deleted
		if what == oursAlone || what == oursOrOthers && e.Deleted || what == users && e.Deleted {
			ours = append(ours, e)
		}
		if e.Deleted {
			g := gone[e.ID.Table]
			g.users = g.users || what == users || e.ID == fw.userChainID(e.ID.Table) || e.ID.Kind == nft.KindTable
			g.ours = g.ours || what != users && what != others && e.ID != fw.userChainID(e.ID.Table)
			gone[e.ID.Table] = g
		}
	}
	for ref, g := range gone {
		if g.ours && g.users {
			d.wiped = append(d.wiped, ref)
		}
	}
	if d.harm || d.maybe {
		d.changes, d.more = fw.describe(ours)
		d.events = ours
	}
	return d
}

// A concern says whose an object is.
type concern uint8

const (
	others concern = iota
	users
	// oursOrOthers is a rule without a key in a chain that others use, too.
	oursOrOthers
	oursAlone
)

// concern tells whose an object is.
func (fw *Firewall) concern(id nft.ID) concern {
	box := id
	switch id.Kind {
	case nft.KindOther:
		return others
	case nft.KindRule:
		box = nft.ID{Kind: nft.KindChain, Table: id.Table, Name: id.Name}
	case nft.KindElement:
		box = nft.ID{Kind: nft.KindSet, Table: id.Table, Name: id.Name}
	}
	there := fw.union.Lookup(box)
	if fw.anchor.isJudged(box) {
		return oursAlone
	}
	if id.Kind != nft.KindRule {
		if there != nil {
			return oursAlone
		}
		return fw.usersOrOthers(id.Table)
	}
	c, _ := there.(*nft.Chain)
	switch {
	case id.Key != "":
		return oursAlone
	case c == nil, box == fw.userChainID(id.Table):
		return fw.usersOrOthers(id.Table)
	case c.Open || c.Shared:
		return oursOrOthers
	}
	return oursAlone
}

// usersOrOthers tells whether chains and sets in a table may be led to by
// DOCKER-USER.
func (fw *Firewall) usersOrOthers(t nft.TableRef) concern {
	if fw.layout.UserChain(t.Family).Table == t {
		return users
	}
	return others
}

// userChainID is the ID of a table's DOCKER-USER; zero if it has none.
func (fw *Firewall) userChainID(t nft.TableRef) nft.ID {
	c := fw.layout.UserChain(t.Family)
	if c.Table != t {
		return nft.ID{}
	}
	return nft.ID{Kind: nft.KindChain, Table: t, Name: c.Name}
}

// describe says in words what was done to objects: what was in a container that
// has gone is not mentioned, and rules of a chain are counted.
func (fw *Firewall) describe(events []nft.Event) (changes []string, more int) {
	gone := map[nft.ID]bool{}
	for _, e := range events {
		if e.Deleted && e.ID.Kind != nft.KindRule && e.ID.Kind != nft.KindElement {
			gone[e.ID] = true
		}
	}
	type group struct {
		chain   nft.ID
		deleted bool
	}
	rules := map[group]int{}
	for _, e := range events {
		if e.ID.Kind == nft.KindRule {
			rules[group{eventBox(e.ID), e.Deleted}]++
		}
	}
	for _, e := range events {
		table := nft.ID{Kind: nft.KindTable, Table: e.ID.Table}
		if e.Deleted && (gone[table] && e.ID != table || gone[eventBox(e.ID)] && e.ID != eventBox(e.ID)) {
			continue
		}
		g := group{eventBox(e.ID), e.Deleted}
		n := 0
		if e.ID.Kind == nft.KindRule {
			if n = rules[g]; n == 0 {
				continue // said already
			}
			delete(rules, g)
		}
		if len(changes) == maxChanges {
			more++
			continue
		}
		changes = append(changes, fw.inWords(e, n))
	}
	return changes, more
}

// eventBox is the ID of the chain or set that a rule or element is in, and else
// the object's own.
func eventBox(id nft.ID) nft.ID {
	switch id.Kind {
	case nft.KindRule:
		return nft.ID{Kind: nft.KindChain, Table: id.Table, Name: id.Name}
	case nft.KindElement:
		return nft.ID{Kind: nft.KindSet, Table: id.Table, Name: id.Name}
	}
	return id
}

// inWords describes one change; of rules, n in one chain.
func (fw *Firewall) inWords(e nft.Event, n int) string {
	verb := "added "
	if e.Deleted {
		verb = "deleted "
	}
	switch e.ID.Kind {
	case nft.KindRule:
		where := fmt.Sprintf("chain %s %s", e.ID.Table, e.ID.Name)
		if e.Deleted {
			where = "of " + where
		} else {
			where = "to " + where
		}
		if n == 1 && e.ID.Key != "" {
			return fmt.Sprintf("%srule %q %s", verb, e.ID.Key, where)
		}
		if n == 1 {
			return fmt.Sprintf("%sa rule %s", verb, where)
		}
		return fmt.Sprintf("%s%d rules %s", verb, n, where)
	case nft.KindElement:
		return verb + fw.elementInWords(e.ID)
	case nft.KindChain, nft.KindTable:
		if !e.Deleted && fw.union.Lookup(e.ID) != nil {
			verb = "changed " // or made again: that is known when it is looked at
		}
	}
	return verb + e.ID.String()
}

// elementInWords is an element as nft writes it.
func (fw *Firewall) elementInWords(id nft.ID) string {
	var b nft.Batch
	if s, ok := fw.union.Lookup(eventBox(id)).(*nft.Set); ok {
		b.Add(s)
	}
	b.Delete(&nft.Element{Set: id.Table.Set(id.Name), Key: nft.Value(id.Key)})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "delete ")
}
