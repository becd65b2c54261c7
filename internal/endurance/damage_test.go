package endurance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/seawall-net/seawall/nft"
	"golang.org/x/sys/unix"
)

// A vandal is a stranger who breaks what a firewall has made.
type vandal struct {
	w    *town
	rnd  *rand.Rand
	conn *nft.Conn
}

func newVandal(w *town, rnd *rand.Rand) *vandal {
	w.t.Helper()
	conn, err := nft.Dial(nft.Config{NetNS: w.cfg.NetNS})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return &vandal{w, rnd, conn}
}

// What a vandal says that takes all of a family's rules.
const (
	deleteTable = "delete table "
	deleteAll   = "delete all tables"
)

// strike does one kind of damage at random, and tells which.
func (v *vandal) strike() (what string) {
	v.w.t.Helper()
	for range 100 { // somebody else may change what it wants to change
		var b nft.Batch
		what = v.plan(&b)
		if b.Len() == 0 {
			continue // there was nothing to break
		}
		_, err := v.conn.Commit(context.Background(), b)
		if err == nil {
			return what
		}
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EBUSY) {
			v.w.t.Fatalf("%s: %v", what, err)
		}
	}
	v.w.t.Fatal("nothing could be broken")
	return ""
}

func (v *vandal) plan(b *nft.Batch) string {
	have, err := v.conn.LoadUnchecked(context.Background(), v.w.cfg.Layout.Tables()...)
	if err != nil {
		v.w.t.Fatal(err)
	}
	tables := slices.DeleteFunc(have.Tables(), func(t *nft.Table) bool { return t.Flags&nft.TableOwner != 0 })
	if len(tables) == 0 {
		return ""
	}
	t := tables[v.rnd.IntN(len(tables))]
	chains := slices.DeleteFunc(slices.Clone(have.Chains(t.Ref())), func(c *nft.Chain) bool { return !v.w.fw.Owns(c.Ref()) })
	sets := have.Sets(t.Ref())
	switch v.rnd.IntN(7) {
	case 0:
		b.Delete(t)
		return deleteTable + t.Ref().String()
	case 1:
		for _, t := range tables {
			b.Delete(t)
		}
		return deleteAll
	case 2:
		if c := pick(v.rnd, chains); c != nil {
			b.Flush(*c)
			return "flush chain " + (*c).Ref().String()
		}
	case 3:
		// What is in iptables' tables may be in its place there.
		if c := pick(v.rnd, chains); c != nil && t.Name == "seawall" {
			b.InsertRule(&nft.Rule{Chain: (*c).Ref(), Statements: []nft.Statement{nft.Accept()}}, 0)
			return "insert a rule in " + (*c).Ref().String()
		}
	case 4:
		if c := pick(v.rnd, chains); c != nil {
			if r := pick(v.rnd, have.Rules((*c).Ref())); r != nil {
				b.Delete(*r)
				return fmt.Sprintf("delete rule %s", *r)
			}
		}
	case 5:
		if s := pick(v.rnd, sets); s != nil && !(*s).Anonymous() {
			if e := pick(v.rnd, have.Elements((*s).Ref())); e != nil {
				b.Delete(*e)
				return fmt.Sprintf("delete element %s", (*e).ID())
			}
		}
	case 6:
		if s := pick(v.rnd, sets); s != nil && !(*s).Anonymous() {
			b.Flush(*s)
			return "flush set " + (*s).Ref().String()
		}
	}
	return ""
}

func pick[T any](rnd *rand.Rand, s []T) *T {
	if len(s) == 0 {
		return nil
	}
	return &s[rnd.IntN(len(s))]
}
