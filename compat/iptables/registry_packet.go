package iptables

// packetModules are those about single packets and what to do with them.
func packetModules() []*Module {
	return []*Module{
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
}
