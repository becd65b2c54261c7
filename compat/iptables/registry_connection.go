package iptables

// connectionModules are those about connections, rates and what was seen before.
func connectionModules() []*Module {
	return []*Module{}
}
