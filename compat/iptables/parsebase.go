package iptables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// baseOption handles an option that belongs to no module.
func (p *parser) baseOption(v *value) error {
	var err error
	switch v.option.Name {
	case "protocol":
		err = p.protocol(v)
	case "source":
		p.sources, err = parseAddresses(p.context.Family, v.text, v.invert)
	case "destination":
		p.dests, err = parseAddresses(p.context.Family, v.text, v.invert)
	case "in-interface":
		p.rule.In, err = parseInterface(v.text, v.invert)
	case "out-interface":
		p.rule.Out, err = parseInterface(v.text, v.invert)
	case "fragments":
		return p.fragment(v)
	case "match":
		return p.match(v)
	case "jump":
		if p.given["goto"] != 0 {
			return refuse(v.word, v.text, "--jump and --goto cannot be used together")
		}
		return p.jump(v)
	case "goto":
		if p.given["jump"] != 0 {
			return refuse(v.word, v.text, "--jump and --goto cannot be used together")
		}
		if err = checkChainName(v.text); err == nil {
			p.rule.Target.Verdict = nft.Goto(v.text)
		}
	case "set-counters":
		return p.counters(v)
	case "table":
		if p.restore {
			return refuse(v.word, "-t", "-t is not possible in a save file")
		}
		err = p.table(v.text)
	case "ipv4":
		return p.family(v, nft.IPv4)
	case "ipv6":
		return p.family(v, nft.IPv6)
	case "wait":
		return p.wait(v)
	case "wait-interval":
		return p.waitInterval(v)
	case "verbose", "modprobe":
	default:
		return p.commandOption(v)
	}
	return err
}

func (p *parser) protocol(v *value) error {
	n, ok := protocolNumber(v.text)
	if !ok {
		return fmt.Errorf("unknown protocol %q", v.text)
	}
	if n == 0 && v.invert {
		return fmt.Errorf("no packet would match")
	}
	p.rule.Protocol = Protocol{Number: n, Invert: v.invert}
	return nil
}

// parseInterface reads the value of -i or -o.
func parseInterface(text string, invert bool) (Interface, error) {
	switch {
	case text == "":
		return Interface{}, fmt.Errorf("the name of an interface is empty")
	case len(text) > 15:
		return Interface{}, fmt.Errorf("the name of an interface, %q, has more than 15 bytes", text)
	case strings.ContainsAny(text, "/ \t\n\v\f\r"):
		return Interface{}, fmt.Errorf("no interface can have the name %q", text)
	case text == "+" && !invert:
		return Interface{}, nil
	}
	return Interface{Name: text, Invert: invert}, nil
}

func (p *parser) fragment(v *value) error {
	if p.context.Family == nft.IPv6 {
		return refuse(v.word, "-f", "-f is for IPv4 only")
	}
	p.rule.Fragment = LaterFragments
	if v.invert {
		p.rule.Fragment = HeadFragments
	}
	return nil
}

func (p *parser) match(v *value) error {
	m := findModule(v.text, false, p.context.Family)
	if m == nil {
		return unknownModule(v.text, false, p.context)
	}
	p.load(m, v.word+1)
	return nil
}

func unknownModule(name string, target bool, c Context) error {
	kind := "match"
	if target {
		kind = "target"
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if findModule(name, target, f) != nil {
			return fmt.Errorf("the %s %q exists in %s only", kind, name, toolName(f))
		}
	}
	if err := elsewhere(name, target, c); err != nil {
		return err
	}
	return fmt.Errorf("the %s %q is not supported", kind, name)
}

func toolName(f nft.Family) string {
	if f == nft.IPv6 {
		return "ip6tables"
	}
	return "iptables"
}

// jump handles -j: a verdict, a target module or a chain.
func (p *parser) jump(v *value) error {
	switch v.text {
	case "ACCEPT":
		p.rule.Target.Verdict = nft.Accept()
	case "DROP":
		p.rule.Target.Verdict = nft.Drop()
	case "RETURN":
		p.rule.Target.Verdict = nft.Return()
	default:
		if m := findModule(v.text, true, p.context.Family); m != nil {
			p.load(m, v.word+1)
			return nil
		}
		if isTargetName(v.text) {
			return unknownModule(v.text, true, p.context)
		}
		if err := checkChainName(v.text); err != nil {
			return err
		}
		p.rule.Target.Verdict = nft.Jump(v.text)
	}
	return nil
}

// isTargetName tells whether iptables has a target of the name, so that it
// cannot be a chain.
func isTargetName(name string) bool {
	return slices.Contains([]string{
		"AUDIT", "CHECKSUM", "CLASSIFY", "CLUSTERIP", "CONNMARK", "CONNSECMARK", "CT", "DNAT", "DNPT", "DSCP", "ECN",
		"HL", "HMARK", "IDLETIMER", "LED", "LOG", "MARK", "MASQUERADE", "NETMAP", "NFLOG", "NFQUEUE", "NOTRACK", "QUEUE",
		"RATEEST", "REDIRECT", "REJECT", "SECMARK", "SET", "SNAT", "SNPT", "SYNPROXY", "TCPMSS", "TCPOPTSTRIP", "TEE",
		"TOS", "TPROXY", "TRACE", "TTL", "ULOG",
	}, name)
}

// checkChainName refuses what cannot be the name of a chain of one's own.
func checkChainName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name of a target is empty")
	case len(name) > 28:
		return fmt.Errorf("the name of a chain, %q, has more than 28 bytes", name)
	case strings.ContainsAny(name, " \t\n\v\f\r") || name[0] == '-' || name[0] == '!':
		return fmt.Errorf("no chain can have the name %q", name)
	case hookOf(name) != nft.NoHook || slices.Contains([]string{"ACCEPT", "DROP", "RETURN", "QUEUE"}, name):
		return fmt.Errorf("%s is not a chain to jump to", name)
	}
	return nil
}

// counters handles -c, whose numbers are one word with a comma or two words.
func (p *parser) counters(v *value) error {
	packets, bytes, found := strings.Cut(v.text, ",")
	if !found {
		next, ok := p.peek()
		if !ok {
			return refuse(p.next+1, "", "-c needs the number of packets and of bytes")
		}
		bytes = next
		p.scanner.take()
	}
	var ok, ok2 bool
	p.rule.Counters.Packets, ok = decimal(packets)
	p.rule.Counters.Bytes, ok2 = decimal(bytes)
	if !ok || !ok2 {
		return refuse(v.word, v.text, "-c: %q and %q are not two numbers", packets, bytes)
	}
	return nil
}

func (p *parser) table(name string) error {
	if !isIPTables(name) {
		return fmt.Errorf("there is no table %q: want filter, nat, raw or mangle", name)
	}
	if p.context.Table == "" {
		p.context.Table = name
	}
	if p.context.Table != name {
		return fmt.Errorf("the rule is for table %s, not %s", p.context.Table, name)
	}
	return nil
}

func (p *parser) family(v *value, want nft.Family) error {
	if p.context.Family != want && p.restore {
		p.otherFamily = true
		return nil
	}
	if p.context.Family != want {
		return refuse(v.word, v.option.Name, "-%c is for %s", v.option.Short, toolName(want))
	}
	return nil
}

func (p *parser) wait(v *value) error {
	if p.restore {
		return refuse(v.word, "-w", "-w is not possible in a save file")
	}
	return p.optionalNumber(v, "-w: %q is not a number of seconds")
}

func (p *parser) waitInterval(v *value) error {
	if p.restore {
		return refuse(v.word, "-W", "-W is not possible in a save file")
	}
	return p.optionalNumber(v, "-W: %q is not a number of microseconds")
}

func (p *parser) optionalNumber(v *value, format string) error {
	text := v.text
	if text == "" {
		next, ok := p.peek()
		if !ok {
			return nil
		}
		text = next
		p.scanner.take()
	}
	if _, ok := decimal(text); !ok {
		return refuse(v.word, text, format, text)
	}
	return nil
}
