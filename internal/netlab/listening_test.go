package netlab

import (
	"fmt"
	"slices"
	"testing"
)

func TestListening(t *testing.T) {
	lab := New(t)
	host, other := lab.Namespace("host"), lab.Namespace("other")
	lab.LAN("lan").Plug(host, "eth0", "192.0.2.1/24", "2001:db8::1/64")
	host.Listen("tcp", "192.0.2.1:80")
	host.Listen("udp", "[2001:db8::1]:1025")
	s := host.Listen("tcp", ":443")
	other.Listen("tcp", ":81")
	list := func() []string {
		var out []string
		for _, s := range host.Listening() {
			out = append(out, fmt.Sprint(s))
		}
		return out
	}
	always := []string{"tcp 192.0.2.1:80", "udp [2001:db8::1]:1025"}
	want := []string{"tcp 0.0.0.0:443", always[0], "tcp [::]:443", always[1]}
	if got := list(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, socket := range host.Listening() {
		if socket.Inode == 0 {
			t.Errorf("%v has no number", socket)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := list(); !slices.Equal(got, always) {
		t.Errorf("%q, want %q", got, always)
	}
}
