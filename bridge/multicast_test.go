package bridge_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// Multicast leaves with the container's own address, where a router passes it on at all: there is nobody to answer to
// the host's. (The kernel forgets the incoming interface of such packets, and so does whoever asks for it.)
func TestMulticastIsNotMasqueraded(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, func(*bridge.NetworkSpec) {})
	// With br_netfilter the kernel has made up its mind when the bridge passes the packet to a2, before it is routed.
	w.filterBridges(filterOff)
	groups := addrPair{netip.MustParseAddr("233.252.0.1"), netip.MustParseAddr("ff0e::db8:1")}
	macs := [2]net.HardwareAddr{{1, 0, 0x5e, 0x7c, 0, 1}, {0x33, 0x33, 0x0d, 0xb8, 0, 1}}
	w.routeMulticast(w.addrs["a1"], groups)
	seen := w.ext.Capture("eth0", func(f netlab.CapturedFrame) bool { return !f.Outgoing && f.To.Port() == 4321 })
	for i := range w.families() {
		w.spaces["a1"].SendFrame("eth0", netlab.Frame{
			Dst: macs[i], Src: w.spaces["a1"].MAC("eth0"), Proto: "udp",
			From: netip.AddrPortFrom(w.addrs["a1"][i], 1234), To: netip.AddrPortFrom(groups[i], 4321),
		}.Marshal())
		f, ok := seen.Next(0)
		from := w.addrs["a1"][i]
		if w.differs("multicast", i) {
			from = w.addrs["host"][i]
		}
		if !ok || f.From.Addr() != from || f.To.Addr() != groups[i] {
			t.Errorf("to %s: ext has seen %v (%v), want it from %s", groups[i], f, ok, from)
		}
	}
	w.fates(`
		a1  tcp,udp  ext:80  ext sees host
	`)
}

// Multicast routing, as linux/mroute.h and linux/mroute6.h have it; the numbers are the same in both.
const (
	mrtInit    = 200
	mrtAddVIF  = 202
	mrtAddMFC  = 204
	useIfIndex = 8 // VIFF_USE_IFINDEX
)

// routeMulticast makes the host pass on what a container sends to a group, in each family, from br-a to eth0.
func (w *world) routeMulticast(from, groups addrPair) {
	w.t.Helper()
	in, out := w.host.Index("br-a"), w.host.Index("eth0")
	err := w.host.Do(func() error {
		v4, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP)
		if err != nil {
			return err
		}
		w.t.Cleanup(func() { _ = unix.Close(v4) })
		v6, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
		if err != nil {
			return err
		}
		w.t.Cleanup(func() { _ = unix.Close(v6) })
		for _, s := range []struct {
			fd, level, option int
			value             []byte
		}{
			{v4, unix.IPPROTO_IP, mrtInit, binary.NativeEndian.AppendUint32(nil, 1)},
			{v4, unix.IPPROTO_IP, mrtAddVIF, vif4(0, in)},
			{v4, unix.IPPROTO_IP, mrtAddVIF, vif4(1, out)},
			{v4, unix.IPPROTO_IP, mrtAddMFC, mfc4(from[0], groups[0])},
			{v6, unix.IPPROTO_IPV6, mrtInit, binary.NativeEndian.AppendUint32(nil, 1)},
			{v6, unix.IPPROTO_IPV6, mrtAddVIF, vif6(0, in)},
			{v6, unix.IPPROTO_IPV6, mrtAddVIF, vif6(1, out)},
			{v6, unix.IPPROTO_IPV6, mrtAddMFC, mfc6(from[1], groups[1])},
		} {
			if s.fd == v6 && w.ipv4Only {
				continue
			}
			if err := unix.SetsockoptString(s.fd, s.level, s.option, string(s.value)); err != nil {
				return os.NewSyscallError("setsockopt", err)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("multicast routing (CONFIG_IP_MROUTE, CONFIG_IPV6_MROUTE): %v", err)
	}
}

// vif4 is a struct vifctl: packets pass with any time to live above 1.
func vif4(number uint16, index int) []byte {
	b := binary.NativeEndian.AppendUint16(nil, number)
	b = append(b, useIfIndex, 1)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	return binary.NativeEndian.AppendUint32(b, 0)
}

// mfc4 is a struct mfcctl: from interface 0 to interface 1.
func mfc4(from, group netip.Addr) []byte {
	b := append(from.AsSlice(), group.AsSlice()...)
	b = binary.NativeEndian.AppendUint16(b, 0)
	ttls := make([]byte, 32)
	ttls[1] = 1
	b = append(b, ttls...)
	return append(b, make([]byte, 2+16)...)
}

// vif6 is a struct mif6ctl.
func vif6(number uint16, index int) []byte {
	b := binary.NativeEndian.AppendUint16(nil, number)
	b = append(b, 0, 1)
	b = binary.NativeEndian.AppendUint16(b, uint16(index))
	return append(b, make([]byte, 2+4)...)
}

// mfc6 is a struct mf6cctl.
func mfc6(from, group netip.Addr) []byte {
	var b []byte
	for _, a := range []netip.Addr{from, group} {
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET6)
		b = append(b, make([]byte, 6)...)
		b = append(b, a.AsSlice()...)
		b = append(b, make([]byte, 4)...)
	}
	b = append(b, make([]byte, 4)...) // interface 0, and padding
	set := make([]byte, 32)
	binary.NativeEndian.PutUint32(set, 1<<1)
	return append(b, set...)
}
