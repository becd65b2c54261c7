package bridge

import (
	"bytes"
	"cmp"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// findNetworks looks for the networks of all bridges.
func (s *search) findNetworks() error {
	var names []string
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		there := map[string]bool{}
		for _, e := range s.elements(f, "bridges") {
			there[nameOf(e.Key)] = true
		}
		for _, c := range s.have.Chains(s.table(f)) { // in the order in which they were made
			if name, ok := strings.CutPrefix(c.Name, "guard-"); ok && there[name] && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		n, use, err := s.network(name)
		if err != nil {
			return fmt.Errorf("bridge %s: %w", name, err)
		}
		s.networks = append(s.networks, n)
		s.take(use, record{kind: recordNetwork, order: n.Order, network: n.Spec})
	}
	return nil
}

// nameOf reads an interface's name from the beginning of a key.
func nameOf(key nft.Value) string {
	name, _, _ := bytes.Cut([]byte(key[:min(16, len(key))]), []byte{0})
	return string(name)
}

// A way is a network's options in one family that go with the rules.
type way struct {
	gateway Gateway
	use     []any
	score   int
}

// network finds out the options of one network: those that explain most, and the
// fewest of them.
func (s *search) network(bridge string) (*Network, []any, error) {
	base := NetworkSpec{Name: bridge, Bridge: bridge}
	s.readTokens(&base)
	ways := [2]map[uint64]way{}
	for i, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if s.element(f, "bridges", nft.Key(nft.Name(bridge))) == nil {
			continue
		}
		var g Gateway
		var notes [3]string
		for i, set := range []string{"bridges", "from-bridge", "to-bridge"} {
			if e := s.element(f, set, nft.Key(nft.Name(bridge))); e != nil {
				notes[i] = e.Comment
			}
		}
		if err := base.readNotes(&g, notes); err != nil {
			return nil, nil, err
		}
		if !g.exists() && !s.subnetFromRules(f, bridge, &g) {
			return nil, nil, fmt.Errorf("neither a comment nor a rule tells the subnet in family %s", f)
		}
		var missing nft.Object
		if ways[i], missing = s.ways(base, f, g); len(ways[i]) == 0 && missing == nil {
			return nil, nil, fmt.Errorf("the chains about it in table %s are of different options", s.table(f))
		} else if len(ways[i]) == 0 {
			return nil, nil, fmt.Errorf("no options of a network explain what is there about it in table %s; those that come closest need %s",
				s.table(f), s.describe(missing))
		}
	}
	best, found := NetworkSpec{}, false
	var use []any
	score := -1
	for flags := range uint64(networkFlags + 1) {
		w4, ok4 := ways[0][flags]
		w6, ok6 := ways[1][flags]
		if ok4 != (ways[0] != nil) || ok6 != (ways[1] != nil) {
			continue
		}
		n := w4.score + w6.score
		if n < score || n == score && bits.OnesCount64(flags) >= bits.OnesCount64(best.flags()) {
			continue
		}
		best, found, score = base, true, n
		best.setFlags(flags)
		best.IPv4, best.IPv6 = w4.gateway, w6.gateway
		use = append(slices.Clone(w4.use), w6.use...)
	}
	if !found {
		return nil, nil, fmt.Errorf("the rules of the two families are of different networks")
	}
	spec, err := best.normalize()
	if err != nil {
		return nil, nil, err
	}
	n := &Network{Host: s.host, Order: s.next(), Spec: spec}
	n.record = n.encode()
	return n, use, nil
}

// ways are the options that go with the rules of one family, by their flags. If there
// are none, missing is what those lack that come closest.
func (s *search) ways(base NetworkSpec, f nft.Family, g Gateway) (out map[uint64]way, missing nft.Object) {
	out = map[uint64]way{}
	most := -1
	apart, kept := s.hasChain(nft.Bridge, "icc-"+base.Bridge), s.hasChain(f, "host-"+base.Bridge)
	translated := s.hasChain(f, "nat-from-"+base.Bridge)
	snats := append([]netip.Addr{{}}, s.snats(f, base.Bridge)...)
	for flags := range uint64(networkFlags + 1) {
		flagged := base
		flagged.setFlags(flags)
		if flagged.DisableICC != apart || (flagged.Internal || flagged.DisableHostAccess) != kept {
			continue // it need not be tried
		}
		for mode := range GatewayMode(4) {
			for _, snat := range snats {
				spec, g := flagged, g
				if g.Mode, g.SNAT = mode, snat; (g.translates() && !spec.Internal) != translated {
					continue
				}
				if spec.Internal {
					g.HostBinding = netip.Addr{}
				}
				gateway := &spec.IPv4
				if f == nft.IPv6 {
					gateway = &spec.IPv6
				}
				*gateway = g
				spec, err := spec.normalize()
				if err != nil {
					continue
				}
				use, ok := s.fits(&Network{Host: s.host, Order: 1, Spec: spec})
				n := distinct(use)
				if !ok && n > most {
					most, missing = n, s.missing
				}
				if ok && n > out[flags].score {
					out[flags] = way{g, use, n}
				}
			}
		}
	}
	return out, missing
}

// readTokens reads what rules compare with: trusted interfaces and marks.
func (s *search) readTokens(spec *NetworkSpec) {
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		for _, chain := range []string{"guard-", "to-"} {
			for _, r := range s.have.Rules(s.table(f).Chain(chain + spec.Bridge)) {
				for _, st := range r.Statements {
					c, ok := nft.Compared(st)
					switch {
					case !ok || c.Invert:
					case c.Field == "iifname" && c.Op == nft.Is:
						if name := nameOf(c.Value); !slices.Contains(spec.TrustedInterfaces, name) {
							spec.TrustedInterfaces = append(spec.TrustedInterfaces, name)
						}
					case c.Field == "meta mark" && c.Op == nft.Masked:
						spec.AcceptFwmark = Fwmark{uint32(c.Number(c.Value)), uint32(c.Number(c.Mask))}
					case c.Field == "meta mark" && c.Op == nft.Is:
						spec.AcceptFwmark = Fwmark{uint32(c.Number(c.Value)), 1<<32 - 1}
					}
				}
			}
		}
	}
}

func (s *search) hasChain(f nft.Family, name string) bool {
	return s.have.Lookup(nft.ID{Kind: nft.KindChain, Table: s.table(f), Name: name}) != nil
}

var snatTo = regexp.MustCompile(`\bsnat (?:ip6? )?to ([0-9a-f.:]+)`)

func (s *search) snats(f nft.Family, bridge string) (out []netip.Addr) {
	for _, r := range s.have.Rules(s.table(f).Chain("nat-from-" + bridge)) {
		if m := snatTo.FindStringSubmatch(r.String()); m != nil {
			if a, err := netip.ParseAddr(m[1]); err == nil {
				out = append(out, a)
			}
		}
	}
	return out
}

// subnetFromRules reads the subnet from the rule about forged sources.
func (s *search) subnetFromRules(f nft.Family, bridge string, g *Gateway) bool {
	for _, r := range s.have.Rules(s.table(f).Chain("from-" + bridge)) {
		for _, st := range r.Statements {
			if c, ok := nft.Compared(st); ok && c.Op == nft.InPrefix && c.Invert && strings.HasSuffix(c.Field, " saddr") {
				g.Subnet = c.Prefix
				return true
			}
		}
	}
	return false
}

// A port is an interface of an endpoint, as table bridge knows it.
type port struct {
	name string
	mac  net.HardwareAddr
}

// portsByAddr reads who may send from an address.
func (s *search) portsByAddr() map[netip.Addr]port {
	out := map[netip.Addr]port{}
	for _, set := range []string{"own-ip4", "own-ip6"} {
		for _, e := range s.elements(nft.Bridge, set) {
			if a, ok := netip.AddrFromSlice([]byte(e.Key[min(24, len(e.Key)):])); ok && len(e.Key) > 24 {
				out[a] = port{nameOf(e.Key), net.HardwareAddr(e.Key[16:22])}
			}
		}
	}
	return out
}

// findEndpoints looks for the endpoints of all addresses that are guarded or known.
func (s *search) findEndpoints() error {
	type found struct {
		network *Network
		spec    EndpointSpec
		named   bool
	}
	ports := s.portsByAddr()
	byName := map[string]*found{}
	var all []*found
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		for _, e := range s.elements(f, "guard") {
			a, ok := netip.AddrFromSlice([]byte(e.Key))
			if !ok {
				return fmt.Errorf("%s: %w", s.describe(e), errInvalid)
			}
			n := s.networkOf(a)
			if n == nil {
				return fmt.Errorf("%s: no network has that address", s.describe(e))
			}
			if a == n.gateway(f).Address {
				continue
			}
			spec := EndpointSpec{}
			named := spec.readNote(e.Comment)
			port, guarded := ports[a]
			if guarded {
				spec.HostIfName, spec.MAC = port.name, port.mac
			} else {
				spec.AllowSpoofing = true
			}
			// Two addresses are one endpoint's if they have the same interface.
			name := fmt.Sprintf("%s/%s", n, a)
			if spec.HostIfName != "" {
				name = fmt.Sprintf("%s if %s", n, spec.HostIfName)
			}
			e := byName[name]
			if e == nil {
				if e = (&found{network: n, spec: spec, named: named}); !named {
					e.spec.Name = strings.ReplaceAll(a.String(), ":", "-")
				}
				byName[name] = e
				all = append(all, e)
			}
			if f == nft.IPv4 {
				e.spec.IPv4 = a
			} else {
				e.spec.IPv6 = a
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *found) int { return cmp.Compare(a.network.Order, b.network.Order) })
	for _, e := range all {
		spec, err := e.spec.normalize(e.network)
		if err != nil {
			return err
		}
		fact := &Endpoint{Network: e.network, Order: s.next(), Spec: spec}
		fact.record = fact.encode()
		for _, a := range []netip.Addr{spec.IPv4, spec.IPv6} {
			if a.IsValid() {
				s.endpoints[a] = fact
			}
		}
		use, _ := s.fits(fact) // what is missing will be told
		s.take(use, record{kind: recordEndpoint, order: fact.Order, parent: e.network.Order, end: spec})
	}
	return nil
}

// networkOf returns the network that an address is in, or nil.
func (s *search) networkOf(a netip.Addr) *Network {
	for _, n := range s.networks {
		for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
			if g := n.gateway(f); g.exists() && g.Subnet.Contains(a) {
				return n
			}
		}
	}
	return nil
}
