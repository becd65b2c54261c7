package bridge

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A search looks for the facts behind rules.
type search struct {
	fw   *Firewall
	have *nft.Ruleset
	// there are the looks of all objects that are there, and used those that
	// facts have explained. known are the sets that any fact would have.
	there, used map[any]bool
	known       map[nft.ID]bool
	// missing is what the last fact lacked that did not fit.
	missing nft.Object

	host      *Host
	networks  []*Network
	endpoints map[netip.Addr]*Endpoint
	records   []record
	order     uint64
	// ports are the bindings by what tells them apart.
	ports map[searchPort]bool
	// byPort is what is published, once somebody asked for it.
	byPort map[portPlace][]publishedBy
}

type searchPort struct {
	endpoint *Endpoint
	port     portmap.Binding
}

func newSearch(fw *Firewall, have *nft.Ruleset, host *Host) *search {
	s := &search{
		fw: fw, have: have, host: host, there: map[any]bool{}, used: map[any]bool{}, known: map[nft.ID]bool{},
		endpoints: map[netip.Addr]*Endpoint{}, ports: map[searchPort]bool{},
	}
	for o := range have.Objects() {
		s.there[look(o)] = true
	}
	return s
}

// counted is what a rule's text says of what it has counted.
var counted = regexp.MustCompile(`counter packets \d+ bytes \d+`)

// look is what a listing shows of an object, in a form to compare. Comments of
// elements are notes for people.
func look(o nft.Object) any {
	switch o := o.(type) {
	case *nft.Chain:
		c := *o
		c.Open, c.Shared, c.Comment, c.Userdata = false, false, "", ""
		if o.Open || o.Shared {
			c.Policy = 0
		}
		return c
	case *nft.Set:
		s := *o
		s.Comment, s.Userdata = "", ""
		return s
	case *nft.Element:
		e := *o
		e.Comment, e.Userdata, e.Packets, e.Bytes = "", "", 0, 0
		return e
	case *nft.Rule:
		// nft asks for protocols in other ways than we do, and means the same.
		return [2]string{o.Chain.String(), counted.ReplaceAllString(o.String(), "counter")}
	}
	return o.ID()
}

// isRecordOnly tells of elements that are there for a record alone.
func isRecordOnly(o nft.Object) bool {
	e, ok := o.(*nft.Element)
	return ok && e.Set.Name() == "facts"
}

// fits compiles a fact, and tells whether all of it is there. use is what it needs.
func (s *search) fits(f Fact) (use []any, ok bool) {
	ok = s.fw.layout.Check(f) == nil
	if !ok {
		return nil, false
	}
	s.fw.layout.Compile(f, func(o nft.Object) {
		if set, is := o.(*nft.Set); is {
			s.known[set.ID()] = true
		}
		if !ok || isRecordOnly(o) {
			return
		}
		l := look(o)
		ok = s.there[l]
		if c, is := o.(*nft.Chain); is && c.Shared {
			ok = s.have.Lookup(o.ID()) != nil // taken as it is
		}
		if s.missing = o; ok {
			use = append(use, l)
		}
	})
	return use, ok
}

// take notes that a fact explains what it needs, and the record of it.
func (s *search) take(use []any, r record) {
	for _, l := range use {
		s.used[l] = true
	}
	s.records = append(s.records, r)
}

func (s *search) next() uint64 { s.order++; return s.order }

// hosts returns the options that go with what every host has, the configured ones
// first: what no rule shows is as it is configured.
func (s *search) hosts() []*Host {
	logs := []*DropLog{nil}
	if s.fw.cfg.LogDrops != nil {
		logs = append(logs, s.fw.cfg.LogDrops)
	}
	for o := range s.have.Objects() {
		if l := dropLogOf(o); l != nil && !slices.ContainsFunc(logs, func(o *DropLog) bool { return o != nil && *o == *l }) {
			logs = append(logs, l)
		}
	}
	var forwarding []nft.Family
	for k := range kept(s.have) {
		if k.kind == recordForward {
			forwarding = append(forwarding, nft.Family(k.order))
		}
	}
	preferred := s.fw.cfg.host().flags()
	best, out := 0, []*Host(nil)
	for _, log := range logs {
		for change := range uint64(1 << 6) {
			h := &Host{}
			h.setFlags((preferred ^ change) &^ (1 << 6))
			h.LogDrops = log
			if h.DisableIPv4 != s.lacks(nft.IPv4) || h.DisableIPv6 != s.lacks(nft.IPv6) {
				continue
			}
			use, ok := s.fits(h)
			for _, f := range forwarding {
				more, _ := s.fits(&Forwarding{Host: h, Family: f}) // it drops what belongs to no network, too
				use = append(use, more...)
			}
			n := distinct(use)
			switch {
			case !ok || n < best:
			case n > best:
				best, out = n, []*Host{h}
			default:
				out = append(out, h)
			}
		}
	}
	if len(out) == 0 {
		h := s.fw.cfg.host() // what is missing will be told
		h.DisableIPv4, h.DisableIPv6 = s.lacks(nft.IPv4), s.lacks(nft.IPv6)
		out = []*Host{h}
	}
	return out
}

// lacks tells whether the packets of a family are left alone.
func (s *search) lacks(f nft.Family) bool {
	return s.have.Lookup(nft.ID{Kind: nft.KindSet, Table: s.table(f), Name: "bridges"}) == nil
}

func distinct(use []any) int {
	all := map[any]bool{}
	for _, l := range use {
		all[l] = true
	}
	return len(all)
}

// dropLogOf reads how a rule of ours tells of drops.
func dropLogOf(o nft.Object) *DropLog {
	r, ok := o.(*nft.Rule)
	if !ok || len(r.Statements) < 2 {
		return nil
	}
	limit, limited := r.Statements[len(r.Statements)-2].(nft.Limit)
	note, noted := r.Statements[len(r.Statements)-1].(nft.Log)
	if !limited || !noted || !note.Netlink || !strings.HasPrefix(note.Prefix, LogPrefix) {
		return nil
	}
	l := &DropLog{Group: note.Group, Rate: uint32(limit.Rate)}
	if l.Rate == DefaultDropRate {
		l.Rate = 0
	}
	return l
}

// facts finds all facts but the host, or says what is wrong with them.
func (s *search) facts() *RebuildError {
	s.host.record = s.host.encode(s.fw.layout.Name())
	if use, ok := s.fits(s.host); ok {
		for _, l := range use {
			s.used[l] = true
		}
	}
	for _, find := range []func() error{s.findForwarding, s.findNetworks, s.findEndpoints} {
		if err := find(); err != nil {
			return &RebuildError{Err: err}
		}
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		s.findPublished(f)
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		s.findWithin(f)
		s.findDirect(f)
		s.findLinks(f)
	}
	return nil
}

func (s *search) table(f nft.Family) nft.TableRef { return nft.TableRef{Family: f, Name: tableName} }

func (s *search) elements(f nft.Family, set string) []*nft.Element {
	out := s.have.Elements(s.table(f).Set(set))
	slices.SortFunc(out, func(a, b *nft.Element) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

func (s *search) element(f nft.Family, set string, key nft.Value) *nft.Element {
	e, _ := s.have.Lookup(nft.ID{Kind: nft.KindElement, Table: s.table(f), Name: set, Key: string(key)}).(*nft.Element)
	return e
}

// kept counts the facts of each kind whose records have elements of their own. The
// kind is in the key, which is not lost.
func kept(rs *nft.Ruleset) map[factKey]bool {
	out := map[factKey]bool{}
	for _, t := range rs.Tables() {
		for _, e := range rs.Elements(t.Ref().Set("facts")) {
			if len(e.Key) == 8 {
				first := binary.NativeEndian.Uint32([]byte(e.Key[:4]))
				out[factKey{byte(first >> 24), uint64(first&0xffff)<<32 | uint64(binary.NativeEndian.Uint32([]byte(e.Key[4:])))}] = true
			}
		}
	}
	return out
}

func ofKind(facts map[factKey]bool, kind byte) (n int) {
	for k := range facts {
		if k.kind == kind {
			n++
		}
	}
	return n
}

// findForwarding looks for the families in which forwarding was switched on.
func (s *search) findForwarding() error {
	for k := range kept(s.have) {
		if k.kind == recordForward {
			s.records = append(s.records, record{kind: recordForward, order: k.order, family: nft.Family(k.order)})
		}
	}
	sortRecords(s.records)
	return nil
}

// inRecordsOnly refuses facts that nothing but their records told of.
func (s *search) inRecordsOnly() *RebuildError {
	for k := range kept(s.have) {
		if k.kind == recordNetwork || k.kind == recordEndpoint {
			return &RebuildError{Err: fmt.Errorf("networks and endpoints were kept in set facts alone, as in a disabled family or in a layout of a version of Docker")}
		}
	}
	return nil
}

// lost counts the facts of no effect, which no rule told of.
func (s *search) lost() int {
	had, has := kept(s.have), kept(s.fw.union.Ruleset())
	n := 0
	for _, kind := range []byte{recordBinding, recordLink} {
		n += max(0, ofKind(had, kind)-ofKind(has, kind))
	}
	return n
}
