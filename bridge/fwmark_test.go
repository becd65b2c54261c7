package bridge

import (
	"errors"
	"io/fs"
	"testing"
)

func TestParseFwmark(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Fwmark{
		"": {}, "1": {1, 1<<32 - 1}, "0x10": {16, 1<<32 - 1}, "0X1/0x3": {1, 3}, "2/3": {2, 3}, "4294967295": {1<<32 - 1, 1<<32 - 1},
	} {
		got, err := ParseFwmark(text)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
		again, err := ParseFwmark(got.String())
		if err != nil || again != got {
			t.Errorf("%q is written %q and read as %v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{
		"0", "0/0", "0/1", "1/0", "1/2", "1/", "/1", "x", "-1", "+1", "0x", "1/2/3", " 1", "0x100000000", "4294967296", "1_0",
	} {
		if got, err := ParseFwmark(text); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
}

func FuzzParseFwmark(f *testing.F) {
	for _, text := range []string{"", "1", "0x1/0x3", "1/0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseFwmark(text)
		if err != nil {
			return
		}
		if err := m.check(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if again, err := ParseFwmark(m.String()); err != nil || again != m {
			t.Fatalf("%q is %v, written %q, read as %v, %v", text, m, m.String(), again, err)
		}
	})
}

func TestGatewayModeNames(t *testing.T) {
	t.Parallel()
	for m := NAT; m <= Isolated; m++ {
		text, err := m.MarshalText()
		var again GatewayMode
		if err := errors.Join(err, again.UnmarshalText(text)); err != nil || again != m {
			t.Errorf("%v is written %q, and read as %v, %v", m, text, again, err)
		}
	}
	for _, name := range []string{"", "NAT", "bridge", "mode(9)"} {
		if m, err := ParseGatewayMode(name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q is read as %v, %v", name, m, err)
		}
	}
	if _, err := GatewayMode(9).MarshalText(); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
}
