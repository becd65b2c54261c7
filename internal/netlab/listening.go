package netlab

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A Socket is one that waits for clients.
type Socket struct {
	Proto string // "tcp" or "udp"
	Addr  netip.AddrPort
	Inode uint64 // identifies it
}

// String returns "tcp 0.0.0.0:80".
func (s Socket) String() string { return s.Proto + " " + s.Addr.String() }

// Listening returns the namespace's listening TCP sockets and unconnected UDP sockets, whoever has them, sorted by what
// they print.
func (ns *Namespace) Listening() []Socket {
	var all []Socket
	ns.lab.tb.Helper()
	ns.lab.step(func() error {
		return ns.Do(func() error {
			for _, proto := range []string{"tcp", "udp"} {
				for _, family := range []string{"", "6"} {
					table, err := os.ReadFile("/proc/thread-self/net/" + proto + family)
					if os.IsNotExist(err) {
						continue // a kernel without IPv6
					}
					if err != nil {
						return err
					}
					for line := range strings.Lines(string(table)) {
						s, err := parseSocket(proto, line)
						if err != nil {
							return fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
						}
						if s.Inode != 0 {
							all = append(all, s)
						}
					}
				}
			}
			return nil
		})
	}, "%s: list sockets", ns.name)
	slices.SortFunc(all, func(a, b Socket) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// parseSocket reads a line of /proc/net/tcp and the like. It returns the zero value for the heading and for sockets that
// do not wait for clients.
func parseSocket(proto, line string) (Socket, error) {
	waiting := map[string]string{"tcp": "0A", "udp": "07"}[proto] // TCP_LISTEN, TCP_CLOSE
	f := strings.Fields(line)
	if len(f) < 10 || f[3] != waiting {
		return Socket{}, nil
	}
	addr, port, _ := strings.Cut(f[1], ":")
	b, err := hex.DecodeString(addr)
	if err != nil || len(b)%4 != 0 {
		return Socket{}, fmt.Errorf("address %s", addr)
	}
	for i := 0; i < len(b); i += 4 { // words in the machine's own order
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return Socket{}, fmt.Errorf("address %s", f[1])
	}
	inode, err := strconv.ParseUint(f[9], 10, 64)
	return Socket{proto, netip.AddrPortFrom(a, uint16(n)), inode}, err
}
