package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/conntrack"
	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// accountingSysctl has the kernel count each connection's packets and bytes.
const accountingSysctl = "net/netfilter/nf_conntrack_acct"

// account switches accounting on, if that is asked for. It comes before the rules:
// it opens nothing, and if it fails nothing was changed. missing says that the
// kernel does not track connections yet.
func (fw *Firewall) account() (missing bool, err error) {
	if !fw.cfg.Accounting || fw.cfg.RulesOnly {
		return false, nil
	}
	err = netns.Do(fw.ns, func() error { return setSysctl(accountingSysctl, "1") })
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("accounting of connections: %w", err)
	}
	return false, nil
}

// accounts tells whether accounting is on.
func accounts(ns *os.File) (on bool, err error) {
	err = netns.Do(ns, func() error {
		v, err := sysctl(accountingSysctl)
		on = v == "1"
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return on, err
}

// A flowKey is what the present connections to a binding's port have in common,
// but for the address of the host.
type flowKey struct {
	proto    uint8
	host     uint16
	endpoint netip.AddrPort
}

// openFlows are the present connections by where they lead, and by the address
// that they were opened to.
type openFlows map[flowKey]map[netip.Addr]*OpenFlows

// maxLists is how often the connections are listed until nothing was missed.
const maxLists = 3

// listFlows sums up the connections that there are, unless they are not counted.
func listFlows(ctx context.Context, ns *os.File) (openFlows, error) {
	if on, err := accounts(ns); err != nil || !on {
		return nil, err
	}
	conn, err := conntrack.Dial(ns)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	for attempt := 1; ; attempt++ {
		sums := openFlows{}
		err := conn.List(ctx, conntrack.Filter{}, sums.add)
		if errors.Is(err, unix.EINTR) && attempt < maxLists {
			continue
		}
		return sums, err
	}
}

func (o openFlows) add(f *conntrack.Flow) {
	key := flowKey{f.Orig.Proto, f.Orig.Dst.Port(), f.Reply.Src}
	if o[key] == nil {
		o[key] = map[netip.Addr]*OpenFlows{}
	}
	sum := o[key][f.Orig.Dst.Addr()]
	if sum == nil {
		sum = &OpenFlows{}
		o[key][f.Orig.Dst.Addr()] = sum
	}
	sum.Flows++
	sum.Received.add(Count(f.OrigCount))
	sum.Sent.add(Count(f.ReplyCount))
}

// of are the connections to a binding's ports: by what it claims of the host, and
// those to the endpoint's own address where that is how it is reached.
func (o openFlows) of(b *Binding) OpenFlows {
	var sum OpenFlows
	ports := b.Port.Container
	for _, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
		to := b.Endpoint.Addr(f)
		if !to.IsValid() {
			continue
		}
		claim, claimed := b.Claim(f)
		if !claimed {
			if !b.isFor(f) || b.Endpoint.Network.gateway(f).Mode != Routed {
				continue
			}
			claim = portmap.Claim{Addr: to, Proto: b.Port.Proto, Ports: ports}
		}
		for i := range ports.Len() {
			key := flowKey{claim.Proto.Number(), claim.Ports.First + uint16(i), netip.AddrPortFrom(to, ports.First+uint16(i))}
			for addr, flows := range o[key] {
				// Who opened a connection to the endpoint itself did not come by the
				// host's port, even if the two have the same number.
				if addr == claim.Addr || claim.Addr.IsUnspecified() && addr != to {
					sum.Flows += flows.Flows
					sum.Received.add(flows.Received)
					sum.Sent.add(flows.Sent)
				}
			}
		}
	}
	return sum
}
