package bridge

import (
	"fmt"
	"math/bits"

	"github.com/seawall-net/seawall/isolation"
)

// NativeOptions are what the native layout leaves to its user.
type NativeOptions struct {
	// ICCMark is the bit of packets' marks that the layout uses in networks
	// without ICC. Zero is [isolation.DefaultICCMark]. While there is such a
	// network, it must stay as it is.
	ICCMark uint32
	// GuardOnly is for layouts that judge forwarded packets and translate
	// addresses by rules elsewhere, and take from this one what protects in
	// addition: the guard before connection tracking, who reaches the host's own
	// services, what concerns frames, and the records of all facts. There is no
	// DOCKER-USER.
	GuardOnly bool
	// AcceptMark and DropMark are for layouts that accept and drop forwarded
	// packets by rules at the forward hook's priority 0, among them DOCKER-USER,
	// which is not in this layout's tables then: two bits of packets' marks that
	// carry this layout's verdict to those rules. A packet that belongs to no
	// network has neither, unless such packets are to be dropped. Zero, both, is
	// that this layout accepts and drops by itself. While there are networks,
	// they must stay as they are.
	AcceptMark, DropMark uint32
}

func (o NativeOptions) withDefaults() NativeOptions {
	if o.ICCMark == 0 {
		o.ICCMark = isolation.DefaultICCMark
	}
	return o
}

// check refuses facts that the options do not go together with, and the host, if
// they do not go together themselves.
func (o NativeOptions) check(f Fact) error {
	switch f := f.(type) {
	case *Host:
		return o.consistent()
	case *Network:
		if m := f.Spec.AcceptFwmark; m.Mask&(o.AcceptMark|o.DropMark) != 0 {
			return fmt.Errorf("fwmark %s has bits of %#x and %#x, which carry the layout's verdicts: choose a mask without them: %w",
				m, o.AcceptMark, o.DropMark, errInvalid)
		}
	}
	return nil
}

func (o NativeOptions) consistent() error {
	verdicts := o.AcceptMark | o.DropMark
	switch {
	case verdicts == 0:
		return nil
	case o.GuardOnly:
		return fmt.Errorf("AcceptMark %#x and DropMark %#x: a layout that only guards has no verdicts to carry: %w", o.AcceptMark, o.DropMark, errInvalid)
	case bits.OnesCount32(o.AcceptMark) != 1 || bits.OnesCount32(o.DropMark) != 1:
		return fmt.Errorf("AcceptMark %#x and DropMark %#x: each has to be one bit: %w", o.AcceptMark, o.DropMark, errInvalid)
	case o.AcceptMark == o.DropMark:
		return fmt.Errorf("AcceptMark and DropMark are both %#x: they have to be different bits: %w", o.AcceptMark, errInvalid)
	case verdicts&o.ICCMark != 0:
		return fmt.Errorf("ICCMark %#x has bits of AcceptMark %#x or DropMark %#x: choose others: %w", o.ICCMark, o.AcceptMark, o.DropMark, errInvalid)
	}
	return nil
}

// MarkBits are the bits of packets' marks that the layout uses.
func (l native) MarkBits() uint32 {
	return l.options.ICCMark | l.options.AcceptMark | l.options.DropMark
}
