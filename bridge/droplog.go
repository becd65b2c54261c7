package bridge

import (
	"fmt"
	"strings"

	"github.com/seawall-net/seawall/isolation"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A Reason is why a packet was dropped, in words for people.
type Reason string

// The reasons. They are the comments of the rules that drop.
const (
	// NotPublished is what comes to a network from outside, other networks
	// included, and is for no published port.
	NotPublished Reason = isolation.ReasonNotPublished
	// DirectAccess is what comes from outside of all networks and is addressed to
	// an endpoint, or to the host on a network's bridge.
	DirectAccess Reason = isolation.ReasonDirectAccess
	// InternalNetwork is what leaves or enters an internal network.
	InternalNetwork Reason = isolation.ReasonInternal
	// ICCOff is what an endpoint sends to a sibling, with DisableICC.
	ICCOff Reason = isolation.ReasonICCOff
	// BetweenNetworks is what one network sends to another, in layouts whose rules keep
	// networks apart before they ask for ports. In others it is NotPublished.
	BetweenNetworks Reason = "between networks"
	// ForgedSource is what leaves a network with a source that is not in its
	// subnet.
	ForgedSource Reason = isolation.ReasonForgedSource
	// SpoofedFrame is what an endpoint sends in another's name, or as a router or
	// a DHCP server.
	SpoofedFrame Reason = isolation.ReasonSpoofedFrame
	// HostAccess is what endpoints send to the host itself, in internal networks
	// and with DisableHostAccess.
	HostAccess Reason = isolation.ReasonHostAccess
	// NoConnection is what would leave a network untranslated, since it belongs to
	// no connection.
	NoConnection Reason = isolation.ReasonNoConnection
	// LoopbackAddress is what comes from elsewhere to a loopback address.
	LoopbackAddress Reason = isolation.ReasonLoopback
	// NoNetwork is what is forwarded and belongs to no network, where that is
	// dropped.
	NoNetwork Reason = isolation.ReasonNoNetwork
	// OutOfScope is what is sent to a port that was published for others, and that
	// a userland proxy would take.
	OutOfScope Reason = portmap.ReasonOutOfScope
)

// A DropLog says how dropped packets are told to whoever listens: see [Drops].
// The zero value is group 0 and the default rate.
type DropLog struct {
	// Group is the group of nfnetlink_log, which one program can listen to at a
	// time. Others use them too: ulogd takes 0 by default.
	Group uint16
	// Rate is how many packets a second each rule tells of; 0 is
	// DefaultDropRate. There is a rule for each network, reason and family, so
	// that a flood from one does not hide the others. What is beyond is dropped
	// all the same, and counted.
	Rate uint32
}

// DefaultDropRate is how many packets a second each rule tells of by default.
const DefaultDropRate = 10

// LogPrefix begins what is told of a packet, before the network and the reason:
// "seawall web: not published ".
const LogPrefix = "seawall"

// maxLogPrefix is the longest prefix that the kernel takes.
const maxLogPrefix = 127

// NoteDrop returns the statements that tell of a packet that is about to be
// dropped, for a rule of their own before the one that drops it: none if nothing
// is logged. network is a name, and empty if the packet is of none in particular.
// It is for layouts.
func (h *Host) NoteDrop(network string, reason Reason) []nft.Statement {
	if h.LogDrops == nil {
		return nil
	}
	rate := h.LogDrops.Rate
	if rate == 0 {
		rate = DefaultDropRate
	}
	return []nft.Statement{
		// As many at once as in a second: what belongs together comes together.
		nft.Limit{Rate: uint64(rate), Per: nft.PerSecond, Burst: rate},
		nft.Log{Prefix: dropPrefix(network, reason), Netlink: true, Group: h.LogDrops.Group, Threshold: 1},
	}
}

// dropLogger is NoteDrop for one network, or nil if nothing is logged.
func (h *Host) dropLogger(network string) func(reason string) []nft.Statement {
	if h.LogDrops == nil {
		return nil
	}
	return func(reason string) []nft.Statement { return h.NoteDrop(network, Reason(reason)) }
}

// cut stands at the end of a name that is too long. No name has it.
const cut = "~"

func dropPrefix(network string, reason Reason) string {
	if network == "" {
		return fmt.Sprintf("%s: %s ", LogPrefix, reason)
	}
	room := maxLogPrefix - len(LogPrefix+" : ") - len(reason) - 1
	if len(network) > room {
		network = network[:room-len(cut)] + cut
	}
	return fmt.Sprintf("%s %s: %s ", LogPrefix, network, reason)
}

// parseDropPrefix is the inverse of dropPrefix. It is false for what others log.
func parseDropPrefix(s string) (network string, reason Reason, ok bool) {
	rest, ok := strings.CutPrefix(s, LogPrefix)
	if !ok {
		return "", "", false
	}
	network, why, ok := strings.Cut(rest, ": ")
	why, spaced := strings.CutSuffix(why, " ")
	if !ok || !spaced || why == "" {
		return "", "", false
	}
	if network == "" {
		return "", Reason(why), true
	}
	if network, ok = strings.CutPrefix(network, " "); !ok || network == "" {
		return "", "", false
	}
	return network, Reason(why), true
}
