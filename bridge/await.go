package bridge

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A link that was set up carries nothing until the kernel has noticed its
// carrier, which it does in its own time, up to a second later: both ends of a
// veth pair drop what they are given, and so does a bridge whose first port it
// is.

// carrierLimit is how long that may take. A port of a bridge with spanning tree
// takes longer, and is refused.
const carrierLimit = 5 * time.Second

// The kernel is asked in growing intervals.
const (
	firstPause   = time.Millisecond
	longestPause = 16 * time.Millisecond
)

// await waits until packets pass between a container and its bridge. ready tells
// what is not so yet, or nothing.
func (l *links) await(ctx context.Context, ready func() (missing string, err error)) error {
	limit := time.NewTimer(l.patience)
	defer limit.Stop()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		missing, err := ready()
		if err != nil || missing == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", missing, ctx.Err())
		case <-limit.C:
			return fmt.Errorf("%s after %v: %w", missing, l.patience, os.ErrDeadlineExceeded)
		case <-time.After(pause):
		}
	}
}

// awaitTraffic waits until an endpoint's link carries traffic.
func (l *links) awaitTraffic(ctx context.Context, e *Endpoint, link Link) error {
	var inside, outside linkEnd
	defer func() { inside.close(); outside.close() }()
	if err := inNamespace(link.NetNS, func() error { return inside.open(link.IfName, e.Spec.IPv6) }); err != nil {
		return fmt.Errorf("in the container: %w", err)
	}
	// The requests for the port open their sockets in the thread's namespace.
	return inNamespace(l.ns, func() error {
		host := netip.Addr{}
		if e.Spec.IPv6.IsValid() {
			host = e.Network.Spec.IPv6.onBridge()
		}
		if err := outside.open(e.Network.Spec.Bridge, host); err != nil {
			return err
		}
		return l.await(ctx, func() (string, error) {
			if missing, err := down(inside.h, inside.name); missing != "" || err != nil {
				return missing, err
			}
			veth := e.Spec.HostIfName
			if missing, err := down(l.h, veth); missing != "" || err != nil {
				return missing, err
			}
			if state, err := portState(l.h, veth); state != portForwarding || err != nil {
				return fmt.Sprintf("%s does not forward to %s: it is %s", e.Network.Spec.Bridge, veth, state), err
			}
			if missing, err := down(outside.h, outside.name); missing != "" || err != nil {
				return missing, err
			}
			// Addresses come last.
			if missing, err := outside.missing(); missing != "" || err != nil {
				return missing, err
			}
			if missing, err := inside.missing(); missing != "" || err != nil || !e.Spec.IPv6.IsValid() {
				return missing, err
			}
			return unrouted(inside.h, inside.addr)
		})
	})
}

// A linkEnd is an interface that packets come to, in its namespace.
type linkEnd struct {
	name   string
	addr   netip.Addr // its IPv6 address, or none
	h      *netlink.Handle
	groups groupReader
}

// open looks at an interface of the calling thread's namespace.
func (end *linkEnd) open(name string, addr netip.Addr) (err error) {
	end.name, end.addr = name, addr
	if end.h, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open route socket: %w", err)
	}
	end.groups, err = openGroups()
	return err
}

func (end *linkEnd) close() {
	if end.h != nil {
		end.h.Close()
	}
	if end.groups.socket != nil {
		end.groups.close()
	}
}

// missing tells whether neighbours do not yet find the interface's address.
func (end *linkEnd) missing() (string, error) {
	if !end.addr.IsValid() {
		return "", nil
	}
	link, err := end.h.LinkByName(end.name)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", end.name, err)
	}
	if answers, err := end.groups.answers(link, end.addr); !answers || err != nil {
		return fmt.Sprintf("%s does not answer for %s", end.name, end.addr), err
	}
	return "", nil
}

// unrouted tells whether the kernel does not yet take an IPv6 address for one of
// the namespace's own. That is the last that it does about a new address, and
// until then packets to it are sent to the link.
func unrouted(h *netlink.Handle, a netip.Addr) (string, error) {
	own := &netlink.Route{Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Dst: ipNet(a, a.BitLen())}
	routes, err := h.RouteListFiltered(netlink.FAMILY_V6, own, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE|netlink.RT_FILTER_DST)
	if err != nil {
		return "", fmt.Errorf("list routes for %s: %w", a, err)
	}
	if len(routes) == 0 {
		return fmt.Sprintf("%s is not entered into the routes", a), nil
	}
	return "", nil
}

// down tells whether a link is not operational.
func down(h *netlink.Handle, name string) (string, error) {
	link, err := h.LinkByName(name)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", name, err)
	}
	if state := link.Attrs().OperState; state != netlink.OperUp {
		return fmt.Sprintf("%s is not up but %s", name, state), nil
	}
	return "", nil
}

// A bridgePort is the state of a bridge's port, as the kernel numbers it
// (BR_STATE_*).
type bridgePort uint8

const portForwarding bridgePort = 3

// String returns the word that `ip` has for the state.
func (s bridgePort) String() string {
	words := [...]string{"disabled", "listening", "learning", "forwarding", "blocking"}
	if int(s) < len(words) {
		return words[s]
	}
	return fmt.Sprint("in state ", uint8(s))
}

// portState asks for the state of a port, in the namespace of the calling
// thread. What is no port is disabled.
func portState(h *netlink.Handle, name string) (bridgePort, error) {
	link, err := h.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("look up %s: %w", name, err)
	}
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	info := nl.NewIfInfomsg(unix.AF_UNSPEC)
	info.Index = int32(link.Attrs().Index)
	request.AddData(info)
	answers, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return 0, fmt.Errorf("look up the bridge port of %s: %w", name, err)
	}
	for _, answer := range answers {
		if len(answer) < unix.SizeofIfInfomsg {
			continue
		}
		path := []uint16{unix.IFLA_LINKINFO, nl.IFLA_INFO_SLAVE_DATA, nl.IFLA_BRPORT_STATE}
		if state := attribute(answer[unix.SizeofIfInfomsg:], path); len(state) == 1 {
			return bridgePort(state[0]), nil
		}
	}
	return 0, nil
}

// attribute returns the payload of a nested attribute, or nil.
func attribute(b []byte, path []uint16) []byte {
	for _, typ := range path {
		attrs, err := nl.ParseRouteAttr(b)
		if err != nil {
			return nil
		}
		b = nil
		for _, a := range attrs {
			if a.Attr.Type&^unix.NLA_F_NESTED == typ {
				b = a.Value
			}
		}
	}
	return b
}
