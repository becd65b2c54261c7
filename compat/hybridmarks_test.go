package compat_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
)

// A rule that sets the whole mark takes the verdict from packets: they are judged again.
func TestHybridMarkWipesVerdicts(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{})
	w.iptables(`-A DOCKER-USER -j MARK --set-mark 5`)
	w.fates(asNative)
	// Nobody knows any more that a packet was accepted.
	w.iptables(`-A DOCKER-USER -p tcp -d @a2 --dport 81 -j ACCEPT`)
	w.fates(`
		b1   tcp   a2:81   silent
	`)
	// Who leaves the rest of the mark alone takes nothing.
	w.iptables(`
		-F DOCKER-USER
		-A DOCKER-USER -j MARK --set-xmark 5/0xffff
		-A DOCKER-USER -p tcp -d @a2 --dport 81 -j ACCEPT
		-P FORWARD DROP
	`)
	w.fates(published + `
		b1    tcp       a2:81    a2 sees gw-a
		b1    udp       a2:81    silent
		b1    tcp       in1:80   silent
		in1   tcp       ext:80   silent
		ext   tcp       far:80   silent
	`)
}

// A packet that comes with a mark, whoever set it, has no verdict from it.
func TestHybridStaleMarks(t *testing.T) {
	t.Parallel()
	for _, mark := range []uint32{0x02000000, 0x10000000, 0x12000000, 0xffffffff} {
		t.Run(fmt.Sprintf("%#x", mark), func(t *testing.T) {
			t.Parallel()
			w := populated(t, bridge.Config{})
			w.iptables(fmt.Sprintf(`
				-t mangle -A PREROUTING -j MARK --set-xmark %[1]d/%[1]d
				-t mangle -A FORWARD -j MARK --set-xmark %[1]d/%[1]d
				-P FORWARD DROP
			`, mark))
			// The bit of networks without ICC is not what this is about.
			w.fates(published + strings.ReplaceAll(closed, "p1    tcp", "# p1") + `
				ext   tcp,udp   far:80   silent
				far   tcp       ext:81   silent
			`)
		})
	}
}

// Behind the forward hook no packet has one of the bits, whatever the user has said.
func TestHybridMarksEnd(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{})
	w.iptables(`
		-t mangle -A POSTROUTING -m mark ! --mark 0/0x12000000 -j DROP
		-A DOCKER-USER -p tcp -d @a2 --dport 81 -j ACCEPT
		-A DOCKER-USER -p udp -d @a1 -j MARK --set-mark 7
	`)
	w.fates(published + others + `
		b1    tcp   a2:81   a2 sees gw-a
		b1    udp   a2:81   silent
	`)
	w.iptables(`-t mangle -A POSTROUTING -m mark --mark 7 -j DROP`)
	w.fates(`
		ext   tcp   host:8080   a1 sees ext
		ext   udp   host:8080   silent
	`)
}

// Other bits do as well, and those that do not go together are refused before anything is there.
func TestHybridMarkOptions(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{Layout: compat.Hybrid(compat.HybridOptions{AcceptMark: 1 << 31, DropMark: 1})})
	w.iptables(`-P FORWARD DROP`)
	w.fates(`
		ext   tcp   host:8080  a1 sees ext
		b1    tcp   a2:81      silent
	`)
	for _, o := range []compat.HybridOptions{
		{AcceptMark: 4, DropMark: 4}, {AcceptMark: 3, DropMark: 4}, {DropMark: 0x1000}, {AcceptMark: 8, DropMark: 4, ICCMark: 8},
	} {
		ns := w.Namespace("other").File()
		if _, err := bridge.Open(context.Background(), bridge.Config{NetNS: ns, Layout: compat.Hybrid(o)}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	err := w.fw.Update(context.Background(), func(tx *bridge.Tx) error {
		tx.CreateNetwork(bridge.NetworkSpec{Name: "marked", AcceptFwmark: bridge.Fwmark{Value: 1, Mask: 3}})
		return nil
	})
	if !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
}
