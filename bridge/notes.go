package bridge

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// Notes are comments of elements. They tell who reads a listing which bridge and
// address is whose, and they survive where records are lost: in text. They hold
// names, and what rules do not show.
//
//	set bridges      "web"
//	map from-bridge  "172.18.0.0/16 gateway 172.18.0.254"
//	map to-bridge    "host-binding 127.0.0.1 mtu 1400 prefix lan"
//	map guard        "c1", "c2 on veth0123456 mac 02:42:ac:12:00:03"

// maxNote is how long a comment can be.
const maxNote = 128

// maxElementUserdata is how long comment and record of an element can be together,
// with what says which is which.
const maxElementUserdata = 252 - 2 - 3

// noted is a note if it is not too long.
func noted(words ...string) string {
	if s := strings.Join(words, " "); len(s) <= maxNote {
		return s
	}
	return ""
}

// notes are a network's, in one family.
func (n *Network) notes(f nft.Family) [3]string {
	g := n.gateway(f)
	return [3]string{noted(n.Spec.Name), noted(g.subnetNote()...), noted(append(g.hostNote(), n.Spec.linkNote()...)...)}
}

// subnetNote says what addresses there are.
func (g *Gateway) subnetNote() []string {
	words := []string{g.Subnet.String()}
	if g.Address.IsValid() && g.Address != g.Subnet.Addr().Next() {
		words = append(words, "gateway", g.Address.String())
	}
	if g.InhibitAddress {
		words = append(words, "inhibited")
	}
	return words
}

// hostNote says where ports are published that name no address.
func (g *Gateway) hostNote() (words []string) {
	if g.HostBinding.IsValid() {
		words = append(words, "host-binding", g.HostBinding.String())
	}
	if g.ExplicitOnly {
		words = append(words, "explicit-only")
	}
	return words
}

// linkNote says what the network's links are like.
func (s *NetworkSpec) linkNote() (words []string) {
	if s.MTU != 0 {
		words = append(words, "mtu", strconv.Itoa(s.MTU))
	}
	if s.IfPrefix != "eth" {
		words = append(words, "prefix", s.IfPrefix)
	}
	return words
}

// note is an endpoint's. The table of family bridge says where it is, but not if it
// may send what it likes.
func (e *Endpoint) note() string {
	words := []string{e.Spec.Name}
	if e.Spec.AllowSpoofing {
		words = append(words, "on", e.Spec.HostIfName, "mac", e.Spec.MAC.String())
	}
	s := noted(words...)
	if len(s)+len(e.record) > maxElementUserdata {
		return ""
	}
	return s
}

// readNotes takes over what a network's notes in one family say. Without a note
// nothing is said.
func (s *NetworkSpec) readNotes(g *Gateway, notes [3]string) error {
	if notes[0] != "" {
		s.Name = notes[0]
	}
	subnet, rest, _ := strings.Cut(notes[1], " ")
	if subnet != "" {
		var err error
		if g.Subnet, err = netip.ParsePrefix(subnet); err != nil {
			return fmt.Errorf("comment %q: %w", notes[1], errInvalid)
		}
	}
	words := strings.Fields(rest + " " + notes[2])
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch word {
		case "inhibited":
			g.InhibitAddress = true
			continue
		case "explicit-only":
			g.ExplicitOnly = true
			continue
		}
		if len(words) == 0 {
			return fmt.Errorf("comment %q, %q: %w", notes[1], notes[2], errInvalid)
		}
		var err error
		switch word {
		case "gateway":
			g.Address, err = netip.ParseAddr(words[0])
		case "host-binding":
			g.HostBinding, err = netip.ParseAddr(words[0])
		case "mtu":
			s.MTU, err = strconv.Atoi(words[0])
		case "prefix":
			s.IfPrefix = words[0]
		default:
			err = errInvalid
		}
		if err != nil {
			return fmt.Errorf("comment %q, %q: %s: %w", notes[1], notes[2], word, errInvalid)
		}
		words = words[1:]
	}
	return nil
}

// readNote takes over what an endpoint's note says, and tells whether it is one.
func (s *EndpointSpec) readNote(note string) bool {
	words := strings.Fields(note)
	switch {
	case len(words) == 1:
	case len(words) == 5 && words[1] == "on" && words[3] == "mac":
		mac, err := net.ParseMAC(words[4])
		if err != nil {
			return false
		}
		s.HostIfName, s.MAC = words[2], mac
	default:
		return false
	}
	s.Name = words[0]
	return true
}
