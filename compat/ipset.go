package compat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

// Sets knows the sets of ipset in one network namespace, for
// [iptables.Rule.Resolve]. Its methods may be called by several goroutines. It
// asks the kernel each time: sets come and go.
type Sets struct{ conn *netlink.Conn }

var _ iptables.SetResolver = (*Sets)(nil)

// ErrNoSet is matched by the errors of [Sets] about a set that does not exist.
var ErrNoSet = errors.New("the set does not exist")

// OpenSets opens a connection to the ipset of a network namespace, given by an
// open file that is needed only during the call; nil is the calling thread's.
// The kernel wants CAP_NET_ADMIN there for each lookup.
func OpenSets(netns *os.File) (*Sets, error) {
	var cfg netlink.Config
	if netns != nil {
		cfg.NetNS = int(netns.Fd())
	}
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &cfg)
	if err != nil {
		return nil, fmt.Errorf("ipset: open socket: %w", err)
	}
	return &Sets{conn}, nil
}

// Close closes the connection.
func (s *Sets) Close() error { return s.conn.Close() }

// Messages and attributes of the kernel's linux/netfilter/ipset/ip_set.h.
const (
	ipsetGetByName  = 14
	ipsetGetByIndex = 15

	ipsetAttrProtocol = 1
	ipsetAttrName     = 2
	ipsetAttrFamily   = 5
	ipsetAttrIndex    = 11

	// ipsetProtocol is the first version that has these messages (Linux 4.20).
	ipsetProtocol = 7
	// ipsetErrProtocol is the error code of kernels before.
	ipsetErrProtocol = 4097
)

// Index returns the number of a set and its family: nft.IPv4, nft.IPv6, or 0
// for a set that is for both.
func (s *Sets) Index(name string) (index uint16, family nft.Family, err error) {
	out, err := s.ask(ipsetGetByName, netlink.Attribute{Type: ipsetAttrName, Data: append([]byte(name), 0)})
	if err != nil {
		return 0, 0, fmt.Errorf("ipset: find set %q: %w", name, explainIPSet(err))
	}
	b, f := out[ipsetAttrIndex], out[ipsetAttrFamily]
	if len(b) != 2 || len(f) != 1 {
		return 0, 0, fmt.Errorf("ipset: find set %q: the kernel's answer has no number or family", name)
	}
	return binary.BigEndian.Uint16(b), nft.Family(f[0]), nil
}

// Name returns the name of the set with a number.
func (s *Sets) Name(index uint16) (string, error) {
	out, err := s.ask(ipsetGetByIndex, netlink.Attribute{
		Type: ipsetAttrIndex | unix.NLA_F_NET_BYTEORDER, Data: binary.BigEndian.AppendUint16(nil, index)})
	if err != nil {
		return "", fmt.Errorf("ipset: find set with number %d: %w", index, explainIPSet(err))
	}
	name := unix.ByteSliceToString(out[ipsetAttrName])
	if name == "" {
		return "", fmt.Errorf("ipset: find set with number %d: the kernel's answer has no name", index)
	}
	return name, nil
}

// ask sends a request and returns the attributes of the answer.
func (s *Sets) ask(command uint16, about netlink.Attribute) (map[uint16][]byte, error) {
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: ipsetAttrProtocol, Data: []byte{ipsetProtocol}}, about})
	if err != nil {
		return nil, err
	}
	answers, err := s.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_IPSET<<8 | command), Flags: netlink.Request},
		Data:   append([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0}, attrs...),
	})
	if err != nil {
		return nil, err
	}
	out := map[uint16][]byte{}
	for _, m := range answers {
		if len(m.Data) < 4 {
			return nil, errors.New("the kernel's answer is too short")
		}
		list, err := netlink.UnmarshalAttributes(m.Data[4:])
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			out[a.Type&^(unix.NLA_F_NET_BYTEORDER|unix.NLA_F_NESTED)] = a.Data
		}
	}
	return out, nil
}

// explainIPSet adds what the kernel's error means here.
func explainIPSet(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: %w: make it by `ipset create` first", ErrNoSet, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: CAP_NET_ADMIN is needed in the network namespace", err)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.Errno(ipsetErrProtocol)):
		return fmt.Errorf("the kernel has no ipset of Linux 4.20 or newer (CONFIG_IP_SET): %w: %w", errors.ErrUnsupported, err)
	}
	return err
}
