package portmap

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestProto(t *testing.T) {
	for _, test := range []struct {
		proto  Proto
		name   string
		number uint8
	}{{TCP, "tcp", 6}, {UDP, "udp", 17}, {SCTP, "sctp", 132}} {
		if test.proto.String() != test.name || test.proto.Number() != test.number {
			t.Errorf("%d is %v, %d", test.proto, test.proto, test.proto.Number())
		}
		for _, name := range []string{test.name, strings.ToUpper(test.name)} {
			if got, err := ParseProto(name); err != nil || got != test.proto {
				t.Errorf("ParseProto(%q) = %v, %v", name, got, err)
			}
		}
	}
	if (Binding{}).Proto != TCP {
		t.Error("the zero protocol is not TCP")
	}
	unknown := Proto(3)
	if unknown.String() != "proto(3)" || unknown.Number() != 0 {
		t.Errorf("unknown protocol: %v, %d", unknown, unknown.Number())
	}
}

func TestProtoText(t *testing.T) {
	in := map[Proto]Proto{TCP: UDP, UDP: SCTP}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"tcp":"udp","udp":"sctp"}` {
		t.Errorf("Marshal = %s, %v", text, err)
	}
	out := map[Proto]Proto{}
	if err := json.Unmarshal([]byte(`{"TCP":"Udp"}`), &out); err != nil || out[TCP] != UDP || len(out) != 1 {
		t.Errorf("Unmarshal = %v, %v", out, err)
	}
	kept := SCTP
	var e *SpecError
	if err := kept.UnmarshalText([]byte("icmp")); !errors.As(err, &e) || e.Value != "icmp" || kept != SCTP {
		t.Errorf("UnmarshalText(icmp) = %v, leaves %v", err, kept)
	}
	if _, err := Proto(9).MarshalText(); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("MarshalText of an unknown protocol = %v", err)
	}
}

func TestPorts(t *testing.T) {
	none, one, ten, all := Ports{}, Port(80), Ports{8000, 8009}, Ports{1, math.MaxUint16}
	reversed, half := Ports{2, 1}, Ports{0, 5}
	for _, test := range []struct {
		ports Ports
		len   int
		text  string
	}{
		{none, 0, ""}, {one, 1, "80"}, {ten, 10, "8000-8009"}, {all, 65535, "1-65535"},
		{reversed, 0, "2-1"}, {half, 0, "0-5"},
	} {
		if test.ports.Len() != test.len || test.ports.String() != test.text {
			t.Errorf("%#v: Len %d, String %q; want %d, %q", test.ports, test.ports.Len(), test.ports.String(), test.len, test.text)
		}
		if test.ports.IsZero() != (test.ports == none) {
			t.Errorf("%#v: IsZero is %v", test.ports, test.ports.IsZero())
		}
	}
	for _, test := range []struct {
		ports Ports
		port  uint16
		want  bool
	}{
		{none, 0, false}, {none, 1, false}, {one, 79, false}, {one, 80, true}, {one, 81, false},
		{ten, 7999, false}, {ten, 8000, true}, {ten, 8009, true}, {ten, 8010, false},
		{all, 0, false}, {all, 1, true}, {all, 65535, true}, {half, 3, false},
	} {
		if got := test.ports.Contains(test.port); got != test.want {
			t.Errorf("%v contains %d: %v", test.ports, test.port, got)
		}
	}
	for _, test := range []struct {
		a, b Ports
		want bool
	}{
		{none, none, false}, {none, all, false}, {one, one, true}, {one, all, true}, {one, ten, false},
		{ten, Ports{8009, 9000}, true}, {ten, Ports{8010, 9000}, false}, {ten, Ports{7000, 7999}, false},
		{ten, Ports{7000, 8000}, true}, {ten, Port(8005), true}, {half, all, false}, {reversed, all, false},
	} {
		if test.a.Overlaps(test.b) != test.want || test.b.Overlaps(test.a) != test.want {
			t.Errorf("%v overlaps %v: %v and %v", test.a, test.b, test.a.Overlaps(test.b), test.b.Overlaps(test.a))
		}
	}
}

func TestValidateHandmade(t *testing.T) {
	v4 := netip.MustParseAddr("192.0.2.1")
	for _, good := range []Binding{
		{Container: Port(80)},
		{HostAddr: v4, Host: Port(1), Container: Port(65535), Proto: SCTP},
		{HostAddr: netip.IPv6Unspecified(), Host: Ports{1, 9}, Container: Port(1)},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, test := range []struct {
		bad   Binding
		field string
	}{
		{Binding{}, "container port"},
		{Binding{Host: Port(80)}, "container port"},
		{Binding{Container: Ports{0, 80}}, "container port"},
		{Binding{Container: Ports{80, 0}}, "container port"},
		{Binding{Container: Ports{80, 79}}, "container port"},
		{Binding{Host: Ports{0, 1}, Container: Port(80)}, "host port"},
		{Binding{Host: Ports{1, 0}, Container: Port(80)}, "host port"},
		{Binding{Host: Ports{2, 1}, Container: Port(80)}, "host port"},
		{Binding{Host: Port(1), Container: Ports{1, 2}}, "host port"},
		{Binding{Container: Port(80), Proto: 3}, "protocol"},
		{Binding{Container: Port(80), HostAddr: netip.MustParseAddr("::ffff:192.0.2.1")}, "host address"},
		{Binding{Container: Port(80), HostAddr: netip.MustParseAddr("fe80::1%x")}, "host address"},
		{Binding{Container: Port(80), HostAddr: netip.MustParseAddr("239.1.1.1")}, "host address"},
	} {
		var e *SpecError
		if err := test.bad.Validate(); !errors.As(err, &e) || e.Field != test.field || e.Spec != test.bad.String() {
			t.Errorf("%+v: %v, want the field %s", test.bad, err, test.field)
		}
	}
}

func TestDynamic(t *testing.T) {
	for spec, want := range map[string]bool{
		"80": true, "127.0.0.1::80": true, "8000-8009": true, "8000-8010:80": true,
		"8080:80": false, "8000-8009:9000-9009": false, "8000-8000:80": false,
	} {
		if got := MustParse(spec).Dynamic(); got != want {
			t.Errorf("%s: Dynamic() = %v", spec, got)
		}
	}
}

func TestClaims(t *testing.T) {
	for _, test := range []struct {
		spec   string
		v4, v6 bool
		want   []string
	}{
		{"8080:80", true, true, []string{"0.0.0.0:8080/tcp", "[::]:8080/tcp"}},
		{"8080:80", true, false, []string{"0.0.0.0:8080/tcp"}},
		{"8080:80/udp", false, true, []string{"[::]:8080/udp"}},
		{"8080:80", false, false, nil},
		{"0.0.0.0:8080:80", true, true, []string{"0.0.0.0:8080/tcp"}},
		{"[::]:8080:80", true, true, []string{"[::]:8080/tcp"}},
		{"127.0.0.1:5000-5009:6000-6009/udp", true, true, []string{"127.0.0.1:5000-5009/udp"}},
		{"127.0.0.1:8080:80", false, true, nil},
		{"[::1]:8080:80", true, false, nil},
		{"[::1]:8080:80", true, true, []string{"[::1]:8080/tcp"}},
		{"80", true, false, []string{"0.0.0.0:/tcp"}},
		{"8000-8010:80", true, false, []string{"0.0.0.0:/tcp"}},
	} {
		var got []string
		for _, c := range MustParse(test.spec).Claims(test.v4, test.v6) {
			got = append(got, c.String())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s (v4 %v, v6 %v) claims %v, want %v", test.spec, test.v4, test.v6, got, test.want)
		}
	}
}
