package isolation

import "github.com/seawall-net/seawall/nft"

// The reasons for which packets are dropped: the comments of the rules that do so.
const (
	// ReasonNotPublished is what comes to a network from outside and is for no
	// published port.
	ReasonNotPublished = "not published"
	// ReasonDirectAccess is what comes from outside of all networks and is addressed to
	// an endpoint, or to the host on a network's bridge.
	ReasonDirectAccess = "direct access"
	// ReasonInternal is what leaves or enters a network that is cut off.
	ReasonInternal = "internal network"
	// ReasonICCOff is what an endpoint sends to a sibling although the network keeps
	// them apart.
	ReasonICCOff = "icc off"
	// ReasonForgedSource is what leaves a network with a source that is not in its
	// subnet.
	ReasonForgedSource = "forged source"
	// ReasonSpoofedFrame is what an endpoint sends in another's name, or as a router or
	// a DHCP server.
	ReasonSpoofedFrame = "spoofed frame"
	// ReasonHostAccess is what a network's endpoints send to the host itself, where
	// they must not.
	ReasonHostAccess = "host access"
	// ReasonNoConnection is what would leave a network untranslated, since it belongs to
	// no connection.
	ReasonNoConnection = "no connection"
	// ReasonLoopback is what comes from elsewhere to a loopback address.
	ReasonLoopback = "loopback address"
	// ReasonNoNetwork is what is forwarded and belongs to no network.
	ReasonNoNetwork = "no network"
)

// A DropLogger returns what notes a packet that is about to be dropped, for a
// reason: statements that a rule of their own holds, which has no verdict. It may
// be nil, and then nothing is noted.
type DropLogger func(reason string) []nft.Statement

// dropRules adds a rule that drops packets, and before it the one that notes them.
func (log DropLogger) dropRules(add func(nft.Object), drop nft.Rule, reason string, match ...nft.Statement) {
	if log != nil {
		note := drop
		note.Key += "-log"
		note.Statements = append(match[:len(match):len(match)], log(reason)...)
		add(&note)
	}
	drop.Comment = reason
	add(&drop)
}

// dropped is a rule that drops at once.
func dropped(chain nft.ChainRef, key string, match ...nft.Statement) nft.Rule {
	return nft.Rule{Chain: chain, Key: key, Statements: append(match[:len(match):len(match)], nft.Counter(), nft.Drop())}
}

// dropAtOnce adds what drops packets here, whoever judges elsewhere.
func (f *Filter) dropAtOnce(add func(nft.Object), chain nft.Chain, key string, log DropLogger, reason string, match ...nft.Statement) {
	log.dropRules(add, dropped(chain.Ref(), key, match...), reason, match...)
}

// dropJudged adds what ends the judging of forwarded packets that are not let
// through.
func (f *Filter) dropJudged(add func(nft.Object), chain nft.Chain, key string, log DropLogger, reason string, match ...nft.Statement) {
	log.dropRules(add, nft.Rule{Chain: chain.Ref(), Key: key, Statements: f.drop(match...)}, reason, match...)
}
