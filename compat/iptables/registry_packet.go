package iptables

// packetModules are those about single packets and what to do with them.
func packetModules() []*Module {
	return []*Module{}
}
