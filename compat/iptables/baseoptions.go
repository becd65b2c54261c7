package iptables

// BaseOptions are the options of every rule.
func BaseOptions() []Option {
	return []Option{
		{Name: "protocol", Short: 'p', Kind: KindProtocol, Invert: true, Value: "protocol"},
		{Name: "source", Aliases: []string{"src"}, Short: 's', Kind: KindNetwork, Invert: true, Value: "address[/mask][,...]"},
		{Name: "destination", Aliases: []string{"dst"}, Short: 'd', Kind: KindNetwork, Invert: true, Value: "address[/mask][,...]"},
		{Name: "in-interface", Short: 'i', Kind: KindText, Invert: true, Value: "name[+]"},
		{Name: "out-interface", Short: 'o', Kind: KindText, Invert: true, Value: "name[+]"},
		{Name: "fragments", Short: 'f', Invert: true},
		{Name: "match", Short: 'm', Kind: KindText, Multi: true, Value: "module"},
		{Name: "jump", Short: 'j', Kind: KindText, Excludes: []string{"goto"}, Value: "target"},
		{Name: "goto", Short: 'g', Kind: KindText, Value: "chain"},
		{Name: "set-counters", Short: 'c', Kind: KindText, Value: "packets bytes"},
		{Name: "table", Short: 't', Kind: KindText, Multi: true, Value: "table"},
		{Name: "ipv4", Short: '4', Multi: true},
		{Name: "ipv6", Short: '6', Multi: true},
		// What follows has no effect on a rule.
		{Name: "verbose", Short: 'v', Multi: true},
		{Name: "wait", Short: 'w', Kind: KindText, Optional: true, Multi: true, Value: "seconds"},
		{Name: "wait-interval", Short: 'W', Kind: KindText, Optional: true, Multi: true, Value: "microseconds"},
		{Name: "modprobe", Short: 'M', Kind: KindText, Multi: true, Value: "command"},
	}
}

// commandOptions are iptables' commands, and options of its listings. They are no part of a rule, but
// shortened names must be as ambiguous as they are there. Save files have some
// of them.
func commandOptions() []Option {
	return []Option{
		{Name: "append", Short: 'A', Kind: KindText, Value: "chain"},
		{Name: "insert", Short: 'I', Kind: KindText, Value: "chain"},
		{Name: "delete", Short: 'D', Kind: KindText, Value: "chain"},
		{Name: "check", Short: 'C', Kind: KindText, Value: "chain"},
		{Name: "replace", Short: 'R', Kind: KindText, Value: "chain"},
		{Name: "list", Short: 'L', Kind: KindText, Optional: true},
		{Name: "list-rules", Short: 'S', Kind: KindText, Optional: true},
		{Name: "flush", Short: 'F', Kind: KindText, Optional: true},
		{Name: "zero", Short: 'Z', Kind: KindText, Optional: true},
		{Name: "new-chain", Short: 'N', Kind: KindText, Value: "chain"},
		{Name: "delete-chain", Short: 'X', Kind: KindText, Optional: true},
		{Name: "rename-chain", Short: 'E', Kind: KindText},
		{Name: "policy", Short: 'P', Kind: KindText},
		{Name: "numeric", Short: 'n'},
		{Name: "exact", Short: 'x'},
		{Name: "line-numbers", Short: '0'},
		{Name: "version", Short: 'V'},
		{Name: "help", Short: 'h', Kind: KindText, Optional: true},
	}
}
