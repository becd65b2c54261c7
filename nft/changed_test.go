package nft

import "testing"

func TestChanged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		s        Statement
		f        MarkField
		and, xor uint32
		ok       bool
	}{
		{Mark.Set(7), Mark, 0, 7, true},
		{CTMark.AndXor(0xf0, 9), CTMark, 0xf0, 9, true},
		{Mark.SetBits(3), Mark, ^uint32(3), 3, true},
		{Mark.Eq(7), MarkField{}, 0, 0, false},
		{Accept(), MarkField{}, 0, 0, false},
	} {
		f, and, xor, ok := Changed(tt.s)
		if f != tt.f || and != tt.and || xor != tt.xor || ok != tt.ok {
			t.Errorf("%s: %s, and %#x, xor %#x, %t", tt.s, f, and, xor, ok)
		}
	}
}
