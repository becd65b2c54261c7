package compat

import (
	"net/netip"
	"strconv"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// A sheet takes down rules of one family, each as the command line of iptables
// that makes it, in the order of words in which iptables prints it.
type sheet struct {
	family nft.Family
	write  func(line)
}

// A line is a rule of iptables.
type line struct {
	family       nft.Family
	table, chain string
	// key and rank are those of the nft.Rule.
	key  string
	rank int
	args []string
}

// in returns a writer of rules for a chain.
func (s sheet) in(table, chain string) chainSheet { return chainSheet{s, table, chain} }

type chainSheet struct {
	sheet
	table, chain string
}

func (c chainSheet) rule(key string, rank int, args ...string) {
	c.write(line{c.family, c.table, c.chain, key, rank, args})
}

// append and insert do as iptables -A and -I.
func (c chainSheet) append(p place, key string, args ...string) {
	c.rule(key, p.appended(), args...)
}

func (c chainSheet) insert(p place, key string, args ...string) {
	c.rule(key, p.inserted(), args...)
}

// words joins parts of a command line.
func words(parts ...[]string) []string {
	var out []string
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// host is an address as iptables prints it.
func host(a netip.Addr) string { return netip.PrefixFrom(a, a.BitLen()).String() }

// key makes a rule's key of what kind of fact it is for, its order, and a word
// that no other rule of the fact in the chain has.
func key(kind string, order uint64, word string) string {
	k := kind + strconv.FormatUint(order, 10)
	if word != "" {
		k += "." + word
	}
	return k
}

// portMatch matches a port of a protocol: which is "--dport" or "--sport".
func portMatch(proto, which string, port uint16) []string {
	return []string{"-p", proto, "-m", proto, which, strconv.Itoa(int(port))}
}

// to is the end of a rule that jumps to a chain or is a verdict.
func to(target string) []string { return []string{"-j", target} }

// loopback is what a family calls itself by.
func loopback(f nft.Family) string {
	if f == nft.IPv6 {
		return "::1/128"
	}
	return "127.0.0.0/8"
}

// dnatTarget is the end of a rule that leads to an endpoint's port.
func dnatTarget(a netip.Addr, port uint16) []string {
	return []string{"-j", "DNAT", "--to-destination", netip.AddrPortFrom(a, port).String()}
}

// sourceTarget is the end of a rule that gives packets the host's address: that
// of the interface they leave by, unless the gateway has one for it.
func sourceTarget(g bridge.Gateway) []string {
	if g.SNAT.IsValid() {
		return []string{"-j", "SNAT", "--to-source", g.SNAT.String()}
	}
	return to("MASQUERADE")
}
