package nft

import "fmt"

// A ChainRef names a chain.
type ChainRef struct {
	Table TableRef
	Name  string
}

// String returns the reference as nft writes it: "ip seawall forward".
func (c ChainRef) String() string { return c.Table.String() + " " + c.Name }

// A Hook is a place in the packet path where base chains run.
type Hook uint8

// The hooks of the ip, ip6, inet and bridge families. NoHook, the zero value,
// makes a chain a regular one: it runs only where a rule jumps to it.
const (
	NoHook Hook = iota
	Prerouting
	Input
	Forward
	Output
	Postrouting
)

// number is the kernel's NF_INET_* (and NF_BR_*) value.
func (h Hook) number() uint32 { return uint32(h) - 1 }

// String returns nft's word for the hook.
func (h Hook) String() string {
	switch h {
	case NoHook:
		return "none"
	case Prerouting:
		return "prerouting"
	case Input:
		return "input"
	case Forward:
		return "forward"
	case Output:
		return "output"
	case Postrouting:
		return "postrouting"
	}
	return fmt.Sprintf("hook(%d)", uint8(h))
}

// A ChainType says what a base chain may do.
type ChainType uint8

// The chain types. Filter is the zero value.
const (
	FilterChain ChainType = iota
	NATChain
	RouteChain
)

// String returns nft's word for the type.
func (t ChainType) String() string {
	switch t {
	case FilterChain:
		return "filter"
	case NATChain:
		return "nat"
	case RouteChain:
		return "route"
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// A Policy is what happens to a packet that reaches the end of a base chain.
type Policy uint8

// PolicyAccept is the zero value, as in nft.
const (
	PolicyAccept Policy = iota
	PolicyDrop
)

// String returns nft's word for the policy.
func (p Policy) String() string {
	if p == PolicyDrop {
		return "drop"
	}
	return "accept"
}

func (p Policy) verdict() Verdict {
	if p == PolicyDrop {
		return Drop()
	}
	return Accept()
}

// Well-known priorities of base chains: lower runs earlier.
const (
	PriorityRaw      int32 = -300
	PriorityMangle   int32 = -150
	PriorityDNAT     int32 = -100
	PriorityFilter   int32 = 0
	PrioritySecurity int32 = 50
	PrioritySNAT     int32 = 100
)

// Well-known priorities in family bridge. What br_netfilter shows to the ip
// families, it shows at 0.
const (
	PriorityBridgeDNAT   int32 = -300
	PriorityBridgeFilter int32 = -200
	PriorityBridgeOut    int32 = 100
	PriorityBridgeSNAT   int32 = 300
)

// A Chain is a list of rules. With a Hook it is a base chain and sees packets
// by itself; without, it is a regular chain. It is a comparable value.
type Chain struct {
	Table TableRef
	Name  string

	// Hook, Type, Priority and Policy describe a base chain; they are zero for
	// a regular chain.
	Hook     Hook
	Type     ChainType
	Priority int32
	Policy   Policy

	// Open says that the chain's rules belong to somebody else: Diff creates
	// the chain but never touches the rules in it that have no Key, nor makes
	// it anew for a Comment. It is a wish of the caller and not stored in the
	// kernel.
	Open bool
	// Shared says that the chain itself belongs to others, too, as iptables'
	// own chains do. It is Open, whatever Open says; it is made where it is
	// missing, and otherwise taken as it is, with its Policy; and neither Diff nor
	// a Union deletes it. Comment and Userdata hold only for a chain that is made.
	// Like Open, it is a wish of the caller.
	Shared bool

	// Comment is shown by nft; at most 128 bytes. Comment and Userdata share
	// 254 bytes.
	Comment  string
	Userdata string

	// foreign holds properties that Load found in the kernel and that this
	// type cannot express; such a chain equals no other.
	foreign string
}

// open tells whether the rules without a key are others'.
func (c *Chain) open() bool { return c.Open || c.Shared }

// Ref returns the chain's reference.
func (c Chain) Ref() ChainRef { return ChainRef{c.Table, c.Name} }
