package bridge

import (
	"github.com/seawall-net/seawall/isolation"
	"github.com/seawall-net/seawall/nft"
)

// nativeLink is the layout's part for frames. It keeps no records: those of the
// other families tell enough.
type nativeLink struct {
	table  *nft.Table
	filter *isolation.LinkFilter
	mark   uint32
}

func newNativeLink(mark uint32) *nativeLink {
	t := &nft.Table{Family: nft.Bridge, Name: tableName, Open: true}
	return &nativeLink{t, isolation.NewLinkFilter(t.Ref(), recordOwn), mark}
}

func (l *nativeLink) compile(f Fact, add func(nft.Object)) {
	h := hostOf(f)
	if f == h {
		add(l.table)
	}
	if h.DisableIPv4 && h.DisableIPv6 {
		return
	}
	skip := isolation.LinkHost{SkipIPv4: h.DisableIPv4, SkipIPv6: h.DisableIPv6}
	switch f := f.(type) {
	case *Host:
		addJudged(l.table.Ref(), add)
		l.filter.Base(skip, add)
	case *Network:
		n := linkNetwork(f)
		l.filter.Network(n, add)
		if f.Spec.DisableICC {
			l.filter.NoICC(skip, n, l.mark, add)
		}
	case *Endpoint:
		l.endpoint(f, add)
	case *ContainerLink:
		if n := f.From.Network; n.Spec.DisableICC {
			l.filter.Link([6]byte(bridgeMAC(n)), l.linked(f.From), l.linked(f.To), add)
		}
	}
}

func linkNetwork(n *Network) isolation.LinkNetwork {
	return isolation.LinkNetwork{Bridge: n.Spec.Bridge, Log: n.Host.dropLogger(n.Spec.Name)}
}

// linked is an endpoint with those of its addresses that the host routes to.
func (l *nativeLink) linked(e *Endpoint) isolation.LinkPort {
	p, h := isolation.LinkPort{Interface: e.Spec.HostIfName, MAC: [6]byte(e.Spec.MAC)}, e.Network.Host
	if e.linkable(nft.IPv4) && !h.DisableIPv4 {
		p.IPv4 = e.Spec.IPv4
	}
	if e.linkable(nft.IPv6) && !h.DisableIPv6 {
		p.IPv6 = e.Spec.IPv6
	}
	return p
}

func (l *nativeLink) endpoint(e *Endpoint, add func(nft.Object)) {
	if !e.Spec.AllowSpoofing {
		l.filter.Guard(linkNetwork(e.Network), isolation.LinkPort{
			Interface: e.Spec.HostIfName, MAC: [6]byte(e.Spec.MAC), IPv4: e.Spec.IPv4, IPv6: e.Spec.IPv6,
		}, add)
	}
	if e.Network.Spec.DisableICC {
		l.filter.Apart(linkNetwork(e.Network), e.Spec.HostIfName, add)
	}
}
