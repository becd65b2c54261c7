package iptables

import "github.com/seawall-net/seawall/nft"

// eui64 matches packets whose IPv6 source address was made from the Ethernet
// address that they came from.
type eui64 struct{}

func matchEUI64() *Module {
	return &Module{
		Name:   "eui64",
		Family: nft.IPv6,
		Hooks:  []nft.Hook{nft.Prerouting, nft.Input, nft.Forward},
		parse:  func(*arguments) extension { return eui64{} },
		decode: func(s *structure) extension {
			s.only(0)
			if s.u32() != 0 {
				s.fail("eui64 has no options")
			}
			return eui64{}
		},
	}
}

func (eui64) format(*words) {}

func (eui64) xt(nft.Family) (uint32, []byte) { return 0, make([]byte, 4) }
