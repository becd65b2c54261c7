package bridge

import (
	"fmt"
	"math/bits"
	"time"
)

// DefaultJudgedMark is the bit of packets' marks that says, between two chains at
// the end of a hook, that the rules were there to judge the packet. It is none of
// those that [isolation.DefaultICCMark] lists.
const DefaultJudgedMark uint32 = 0x08000000

// WatchConfig says how [Firewall.Watch] works. The zero value is with everything.
type WatchConfig struct {
	// NoAnchor does without the tables that a flush of the ruleset leaves alone.
	// While these are there, a file that lists them, as `nft list ruleset` does,
	// cannot be loaded: the kernel refuses it whole, with EPERM.
	NoAnchor bool
	// JudgedMark is a bit of packets' marks that nobody else on the host uses, nor
	// the layout. Zero is [DefaultJudgedMark].
	JudgedMark uint32
	// ForgetUserRules does not put back what users had in DOCKER-USER, and in
	// chains and sets that it leads to, after somebody has flushed everything.
	ForgetUserRules bool
	// KeepLinks leaves bridges, addresses and sysctls that others have changed as
	// they are. With Config.RulesOnly, they always are.
	KeepLinks bool
	// MinDelay is the first delay before a repair when there were some in a row,
	// and MaxDelay is the last: it doubles from one to the other. Zero is a second,
	// and a minute.
	MinDelay, MaxDelay time.Duration
	// CheckInterval is how often is looked at what the kernel does not announce:
	// sysctls. Zero is five seconds.
	CheckInterval time.Duration
}

func (c WatchConfig) withDefaults() WatchConfig {
	if c.JudgedMark == 0 {
		c.JudgedMark = DefaultJudgedMark
	}
	if c.MinDelay <= 0 {
		c.MinDelay = time.Second
	}
	if c.MaxDelay <= 0 {
		c.MaxDelay = time.Minute
	}
	c.MaxDelay = max(c.MinDelay, c.MaxDelay)
	if c.CheckInterval <= 0 {
		c.CheckInterval = 5 * time.Second
	}
	return c
}

// A MarkLayout is a [Layout] that uses bits of packets' marks.
type MarkLayout interface {
	// MarkBits are all of them.
	MarkBits() uint32
}

// check refuses a mark that is not one bit, or that the layout uses.
func (c WatchConfig) check(l Layout) error {
	if bits.OnesCount32(c.JudgedMark) != 1 {
		return &SpecError{"watch", "JudgedMark", fmt.Sprintf("%#x is not one bit", c.JudgedMark)}
	}
	if l, ok := l.(MarkLayout); ok && l.MarkBits()&c.JudgedMark != 0 {
		return &SpecError{"watch", "JudgedMark", fmt.Sprintf("%#x is a bit that the layout uses: choose another", c.JudgedMark)}
	}
	return nil
}
