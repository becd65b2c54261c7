package iptables

import "bytes"

// packetModules are those about single packets and what to do with them.
func packetModules() []*Module {
	modules := []*Module{
		matchAH(),
		matchAH6(),
		matchCPU(),
		matchDCCP(),
		matchDevGroup(),
		matchDSCP(),
		matchDst(),
		matchECN(),
		matchESP(),
		matchEUI64(),
		matchFrag(),
		matchHBH(),
		matchHL(),
		matchIP6Header(),
		matchLength(),
		matchOwner(),
		matchPktType(),
		matchPolicy(),
		matchQuota(),
		matchRT(),
		matchStatistic(),
		matchTCPMSS(),
		matchTOS(),
		matchTTL(),
		matchU32(),
		targetNFLOG(),
		targetNFQUEUE(),
		targetTCPMSS(),
	}
	for _, m := range modules {
		m.decode = exactly(m.decode)
	}
	return modules
}

// exactly refuses structures with anything in them that the value that was read
// does not have, such as the number of an option that is not matched: written
// back, they would not be the same.
func exactly(decode func(*structure) extension) func(*structure) extension {
	return func(s *structure) extension {
		v := decode(s)
		if s.err != nil {
			return v
		}
		if _, again := v.xt(s.family); !bytes.Equal(bytes.TrimRight(again, "\x00"), bytes.TrimRight(s.b, "\x00")) {
			s.fail("it has values that mean nothing")
		}
		return v
	}
}
