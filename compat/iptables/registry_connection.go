package iptables

// connectionModules are those about connections, rates and what was seen before.
func connectionModules() []*Module {
	return []*Module{
		matchConnbytes(),
		matchConnlimit(),
		matchConnmark(),
		matchHashlimit(),
		matchHelper(),
		matchIPRange(),
		matchMAC(),
		matchPhysdev(),
		matchRealm(),
		matchRecent(),
		matchSet(),
		matchString(),
		matchTime(),
		targetAudit(),
		targetConnmark(),
		targetMark(),
		targetSet(),
		targetTEE(),
	}
}
