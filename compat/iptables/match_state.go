package iptables

// matchState is the older name of conntrack's --ctstate, for which the kernel
// has the same structure and a bit that remembers the name.
func matchState() *Module {
	return &Module{
		Name:    "state",
		XTName:  "conntrack",
		Options: []Option{{Name: "state", Kind: KindText, Invert: true, Required: true, Value: "state[,...]"}},
		parse: func(a *arguments) extension {
			c := conntrack{given: ctState, alias: true}
			// It does not know SNAT and DNAT.
			c.states = parseBitWords(a, "state", ctStateWords[:5])
			if a.inverted("state") {
				c.invert = ctState
			}
			return c
		},
		decode: func(s *structure) extension {
			c := decodeConntrack(s)
			if !c.alias || c.given != ctState {
				s.fail("not written as a state")
			}
			return c
		},
	}
}
