package portmap

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"testing"
)

func TestParseEphemeral(t *testing.T) {
	for _, c := range []struct {
		ports, reserved string
		want            Ports
		kept, free      []uint16
	}{
		{"32768\t60999\n", "\n", Ports{32768, 60999}, nil, []uint16{1, 32768, 40000, 60999, 65535}},
		{"32768 60999", "8080,40000-40002\n", Ports{32768, 60999},
			[]uint16{8080, 40000, 40001, 40002}, []uint16{8079, 8081, 39999, 40003}},
		// Ranges in any order, that touch, overlap or hold one another.
		{"1 65535", "20-30,10-19,25-40,35,50-50,65535", Ports{1, 65535},
			[]uint16{10, 19, 20, 30, 31, 40, 50, 65535}, []uint16{9, 41, 49, 51, 65534}},
		// The kernel takes port 0, too.
		{"1024 1024", "0,0-2", Ports{1024, 1024}, []uint16{1, 2}, []uint16{3}},
		{"1024 65535", "0", Ports{1024, 65535}, nil, []uint16{1}},
	} {
		e, err := ParseEphemeral(c.ports, c.reserved)
		if err != nil {
			t.Errorf("%q, %q: %v", c.ports, c.reserved, err)
			continue
		}
		if e.Range() != c.want {
			t.Errorf("%q: range %v, want %v", c.ports, e.Range(), c.want)
		}
		for _, p := range c.kept {
			if !e.Reserved(p) {
				t.Errorf("%q: %d is not reserved", c.reserved, p)
			}
		}
		for _, p := range c.free {
			if e.Reserved(p) {
				t.Errorf("%q: %d is reserved", c.reserved, p)
			}
		}
	}
}

func TestParseEphemeralRefuses(t *testing.T) {
	const good = "32768\t60999\n"
	for _, c := range []struct{ ports, reserved, field, value string }{
		{"", "", rangeSysctl, ""},
		{"32768", "", rangeSysctl, "32768"},
		{"1 2 3", "", rangeSysctl, "1 2 3"},
		{"a 60999", "", rangeSysctl, "a"},
		{"32768 65536", "", rangeSysctl, "65536"},
		{"-1 60999", "", rangeSysctl, "-1"},
		{"0 60999", "", rangeSysctl, "0 60999"},
		{"60999 32768", "", rangeSysctl, "60999 32768"},
		{good, "x", reservedSysctl, "x"},
		{good, "80,", reservedSysctl, ""},
		{good, "80 81", reservedSysctl, "80 81"},
		{good, "80-", reservedSysctl, "80-"},
		{good, "90-80", reservedSysctl, "90-80"},
		{good, "80,65536", reservedSysctl, "65536"},
		{good, "1-2-3", reservedSysctl, "1-2-3"},
	} {
		e, err := ParseEphemeral(c.ports, c.reserved)
		var spec *SpecError
		if !errors.As(err, &spec) || !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q, %q: %+v, %v", c.ports, c.reserved, e, err)
		} else if spec.Field != c.field || spec.Value != c.value {
			t.Errorf("%q, %q: %v", c.ports, c.reserved, err)
		}
	}
}

// What is accepted means the same as port by port; what is refused is so for a
// reason.
func FuzzParseEphemeral(f *testing.F) {
	f.Add("32768\t60999\n", "\n")
	f.Add("1024 65535", "0,80,8000-9000")
	f.Add("1 65535", "20-30,10-19,25-40,65535-65535")
	f.Add("2 1", "9-8,,-")
	f.Fuzz(func(t *testing.T, ports, reserved string) {
		e, err := ParseEphemeral(ports, reserved)
		if err != nil {
			var spec *SpecError
			if !errors.As(err, &spec) || spec.Reason == "" || e.Range() != (Ports{}) {
				t.Fatalf("%q, %q: %+v, %v", ports, reserved, e, err)
			}
			return
		}
		kept := [1 << 16]bool{}
		for _, word := range strings.Split(strings.TrimSpace(reserved), ",") {
			ends := strings.Split(word+"-"+word, "-")
			if word == "" {
				continue
			}
			first, err1 := strconv.Atoi(ends[0])
			last, err2 := strconv.Atoi(ends[len(ends)-1])
			if err1 != nil || err2 != nil {
				t.Fatalf("%q was accepted", reserved)
			}
			for p := first; p <= last; p++ {
				kept[p] = true
			}
		}
		for p := 1; p < 1<<16; p++ {
			if e.Reserved(uint16(p)) != kept[p] {
				t.Fatalf("%q: %d: %t", reserved, p, !kept[p])
			}
		}
		if r := e.Range(); !r.valid() || strings.Join(strings.Fields(ports), "-") == "" {
			t.Fatalf("%q: %v", ports, r)
		}
	})
}
