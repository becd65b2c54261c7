package bridge

import (
	"github.com/seawall-net/seawall/isolation"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// tableName is the name of the native layout's tables.
const tableName = "seawall"

// Native returns the native layout: one table for each family, IPv4, IPv6 and
// bridge, in which packets are looked up in maps, so that a new flow costs the
// same with any number of networks and ports.
func Native() Layout { return NativeWith(NativeOptions{}) }

// NativeWith returns the native layout with options.
func NativeWith(o NativeOptions) Layout {
	o = o.withDefaults()
	l := native{link: newNativeLink(o.ICCMark), options: o}
	judging := isolation.FilterOptions{GuardOnly: o.GuardOnly, AcceptMark: o.AcceptMark, DropMark: o.DropMark}
	for i, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		ref := nft.TableRef{Family: f, Name: tableName}
		l.families[i] = nativeFamily{
			family: f,
			// Users have chains and sets of their own there, for DOCKER-USER.
			table:  &nft.Table{Family: f, Name: tableName, Open: true},
			filter: isolation.NewFilterWith(ref, recordOwn, judging),
			nat:    portmap.NewNAT(ref, recordOwn),
			facts:  &nft.Set{Table: ref, Name: "facts", Key: nft.TypeOf(nft.TypeMark, nft.TypeMark), Userdata: recordOwn},
			mark:   o.ICCMark,
			guard:  o.GuardOnly,
		}
		l.families[i].factsRef = l.families[i].facts.Ref()
	}
	return l
}

type native struct {
	families [2]nativeFamily
	link     *nativeLink
	options  NativeOptions
}

// nativeFamily is the layout's part for one family.
type nativeFamily struct {
	family nft.Family
	table  *nft.Table
	filter *isolation.Filter
	nat    *portmap.NAT
	// facts holds records of facts that have no object of their own.
	facts    *nft.Set
	factsRef nft.SetRef
	mark     uint32
	// guard leaves judging and translation to others.
	guard bool
}

func (native) Name() string { return "native" }

// Check refuses facts that need other options than the layout has.
func (l native) Check(f Fact) error { return l.options.check(f) }

func (l native) Tables() []nft.TableRef {
	// In the order in which they are made, so that listings agree.
	return []nft.TableRef{l.families[0].table.Ref(), l.link.table.Ref(), l.families[1].table.Ref()}
}

func (l native) UserChain(f nft.Family) nft.ChainRef {
	if f != nft.IPv4 && f != nft.IPv6 {
		return nft.ChainRef{}
	}
	return nft.TableRef{Family: f, Name: tableName}.Chain(isolation.UserChain)
}

func (l native) Compile(f Fact, add func(nft.Object)) {
	host, on := hostOf(f), false
	for i := range l.families {
		if host.Disabled(l.families[i].family) {
			l.families[i].disabled(f, add)
			continue
		}
		on = true
		l.families[i].compile(f, add)
	}
	if on {
		l.link.compile(f, add)
	} else if f == Fact(host) {
		add(l.link.table) // users may have chains there, too
	}
}

func (l *nativeFamily) compile(f Fact, add func(nft.Object)) {
	switch f := f.(type) {
	case *Host:
		l.host(f, add)
	case *Forwarding:
		if f.Family == l.family {
			l.keep(f, add)
			l.filter.DropOthers(f.Host.dropLogger(""), add)
		}
	case *Network:
		l.network(f, add)
	case *Endpoint:
		l.endpoint(f, add)
	case *Binding:
		l.binding(f, add)
	case *ContainerLink:
		l.containerLink(f, add)
	}
}

func (l *nativeFamily) host(h *Host, add func(nft.Object)) {
	add(l.table)
	addJudged(l.table.Ref(), add)
	l.keep(h, add)
	loopback := ""
	if h.WSL2Mirrored {
		loopback = wsl2Loopback
	}
	l.filter.Base(isolation.Host{Loopback: loopback, DropOthers: h.DropForward, Log: h.dropLogger("")}, add)
	if !l.guard {
		l.nat.Base(portmap.Host{Loopback: loopback, UserlandProxy: h.UserlandProxy}, add)
	}
}

func (l *nativeFamily) network(n *Network, add func(nft.Object)) {
	if !n.gateway(l.family).exists() {
		return
	}
	records, filter := n.Records(), l.filterNetwork(n)
	if l.guard {
		l.keep(n, add)
		records = nil
		if filter.HostPorts != nil {
			l.nat.OwnPortSets(add)
		}
	}
	l.filter.Network(filter, records, add)
	if n.Spec.DisableICC {
		l.filter.MarkTranslated(n.Spec.Bridge, l.mark, add)
	}
	if n.translates(l.family) && !l.guard {
		l.nat.Network(l.natNetwork(n), add)
	}
}

// filterNetwork is what the filter has to know of a network.
func (l *nativeFamily) filterNetwork(n *Network) isolation.Network {
	g := n.gateway(l.family)
	f := isolation.Network{
		Bridge: n.Spec.Bridge, Subnet: g.Subnet, Gateway: g.onBridge(),
		Untranslated: n.Spec.DisableMasquerade,
		DisableICC:   n.Spec.DisableICC,
		Trusted:      n.Spec.TrustedInterfaces,
		Mark:         n.Spec.AcceptFwmark.Value, Mask: n.Spec.AcceptFwmark.Mask,
		Log:   n.Host.dropLogger(n.Spec.Name),
		Notes: n.notes(l.family),
	}
	switch {
	case n.Spec.Internal:
		f.Access, f.Host = isolation.Nothing, isolation.HostGateway
	case g.Mode == Routed:
		f.Access = isolation.Routed
	case g.Mode == NATUnprotected:
		f.Access = isolation.All
	case n.Host.AllowDirectRouting:
		f.Access = isolation.Direct
	}
	if n.Spec.DisableHostAccess {
		f.Host = isolation.HostNone
		if n.Host.UserlandProxy && n.translates(l.family) {
			f.HostPorts = l.nat.OwnPorts() // the proxy is on the host
		}
	}
	return f
}

// natNetwork is what address translation has to know of a network.
func (l *nativeFamily) natNetwork(n *Network) portmap.Network {
	g := n.gateway(l.family)
	p := portmap.Network{
		Bridge: n.Spec.Bridge, Subnet: g.Subnet, Random: n.Spec.RandomMasquerade, UserlandProxy: n.Host.UserlandProxy,
		Log: n.Host.dropLogger(n.Spec.Name),
	}
	switch {
	case n.Spec.DisableMasquerade:
		p.Source = portmap.OwnSource
	case g.SNAT.IsValid():
		p.Source, p.SNAT = portmap.FixedSource, g.SNAT
	}
	return p
}

func (l *nativeFamily) endpoint(e *Endpoint, add func(nft.Object)) {
	if a := e.Addr(l.family); a.IsValid() {
		l.filter.Endpoint(l.filterNetwork(e.Network), a, e.note(), e.record, add)
	}
}

func (l *nativeFamily) binding(b *Binding, add func(nft.Object)) {
	c, published := b.Claim(l.family)
	if !published {
		l.unpublished(b, add)
		return
	}
	if l.guard {
		l.guardBinding(b, c, add)
		return
	}
	record := b.encode()
	if len(record) > maxRecord {
		l.keep(b, add)
		record = ""
	}
	to, ports := b.Endpoint.Addr(l.family), b.Port.Container
	proto := nft.L4Proto(b.Port.Proto.Number())
	l.nat.Publish(c, to, ports, record, add)
	proxy := b.Endpoint.Network.Host.UserlandProxy
	if proxy {
		l.nat.LeaveToProxy(c, b.Endpoint.Network.Spec.Bridge, add)
	}
	if b.scope != nil {
		l.nat.Gate(c, b.scope.from(l.family), b.scope.Interface, proxy, b.Endpoint.Network.Host.dropLogger(""), add)
	}
	// Who publishes on one address means that one, and no other way in.
	direct := c.Addr.IsUnspecified() && b.Endpoint.Network.opensDirectly()
	if direct && b.scope != nil {
		l.openWithin(b, add)
	}
	if ports.Len() > 1 && c.Ports == ports {
		first, last := c.Span()
		if direct && b.scope != nil {
			// All of the host's addresses: that leaves out the endpoint's own.
			l.filter.OpenRange(to, proto, ports.First, ports.Last, first, to.Prev(), add)
			first = to.Next()
		}
		l.filter.OpenRange(to, proto, ports.First, ports.Last, first, last, add)
		return
	}
	for i := range ports.Len() {
		l.filter.Open(to, proto, ports.First+uint16(i), add)
		if direct && b.scope == nil {
			l.filter.OpenDirect(to, proto, ports.First+uint16(i), add)
		}
	}
}

// guardBinding is for a binding that is published by rules elsewhere.
func (l *nativeFamily) guardBinding(b *Binding, c portmap.Claim, add func(nft.Object)) {
	l.keep(b, add)
	if n := b.Endpoint.Network; n.Host.UserlandProxy && n.Spec.DisableHostAccess {
		// The network's own ports are among what its endpoints reach on the host.
		l.nat.OwnPortSets(add)
		l.nat.LeaveToProxy(c, n.Spec.Bridge, add)
	}
}

// openWithin lets packets in to the endpoint's own address that are in the
// binding's scope.
func (l *nativeFamily) openWithin(b *Binding, add func(nft.Object)) {
	if b.scope.Interface == scopeHost {
		return // what the host sends is not forwarded
	}
	n, to, ports := l.filterNetwork(b.Endpoint.Network), b.Endpoint.Addr(l.family), b.Port.Container
	from := b.scope.from(l.family)
	for i := range ports.Len() {
		l.filter.OpenWithin(n, to, nft.L4Proto(b.Port.Proto.Number()), ports.First+uint16(i), from, b.scope.Interface, add)
	}
}

// unpublished is for a binding that takes nothing of the host.
func (l *nativeFamily) unpublished(b *Binding, add func(nft.Object)) {
	if !b.isFor(l.family) {
		return
	}
	l.keep(b, add)
	network := b.Endpoint.Network
	if network.gateway(l.family).Mode != Routed || network.Spec.Internal || l.guard {
		return
	}
	if b.scope != nil {
		l.openWithin(b, add)
		return
	}
	proto, ports := nft.L4Proto(b.Port.Proto.Number()), b.Port.Container
	for i := range ports.Len() {
		l.filter.OpenDirect(b.Endpoint.Addr(l.family), proto, ports.First+uint16(i), add)
	}
}

// containerLink is about packets that are routed. Frames that are bridged are the business
// of the table of family bridge.
func (l *nativeFamily) containerLink(c *ContainerLink, add func(nft.Object)) {
	if !c.isFor(l.family) {
		return
	}
	l.keep(c, add)
	if c.From.Network.Spec.DisableICC && !c.routed(l.family) {
		return
	}
	n, proto := l.filterNetwork(c.From.Network), nft.L4Proto(c.Port.Proto.Number())
	for i := range c.Port.Ports.Len() {
		l.filter.Link(n, l.neighbour(c.From), l.neighbour(c.To), proto, c.Port.Ports.First+uint16(i), add)
	}
}

func (l *nativeFamily) neighbour(e *Endpoint) isolation.Neighbour {
	return isolation.Neighbour{Addr: e.Addr(l.family), MAC: [6]byte(e.Spec.MAC)}
}
