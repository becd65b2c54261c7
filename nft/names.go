package nft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrName is what the errors of [ValidName], [ValidIfName] and [ValidComment]
// match.
var ErrName = errors.New("not usable in nf_tables")

// maxNameLen is NFT_NAME_MAXLEN without the final zero byte.
const maxNameLen = 255

// ValidName reports whether a table, chain, set or map can have the name: the
// kernel takes any 1 to 255 bytes, but nft reads back only names made of ASCII
// letters, digits and the characters "_", "-", "." and "/" that begin with a
// letter or "_" and are not words of its language, such as "ip" or "counter".
// nft has no way to quote a name.
func ValidName(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("nft: empty name: %w", ErrName)
	case len(s) > maxNameLen:
		return fmt.Errorf("nft: name %.20q… has %d bytes, more than %d: %w", s, len(s), maxNameLen, ErrName)
	case !isLetter(s[0]) && s[0] != '_':
		return fmt.Errorf("nft: name %q does not begin with a letter: %w", s, ErrName)
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && !strings.ContainsRune("_-./", rune(c)) {
			return fmt.Errorf("nft: name %q: character %q at byte %d: %w", s, c, i, ErrName)
		}
	}
	if slices.Contains(reservedWords(), s) {
		return fmt.Errorf("nft: name %q is a word of nft's language: %w", s, ErrName)
	}
	return nil
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// maxIfNameLen is IFNAMSIZ without the final zero byte.
const maxIfNameLen = 15

// ValidIfName reports whether a network interface can have the name, by the
// kernel's rules (1 to 15 bytes, not "." or "..", no "/", ":" or white space),
// and nft reads it back as it is: it may not contain a quotation mark, an
// asterisk (nft's wildcard), a backslash, or what cannot be printed.
func ValidIfName(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("nft: empty interface name: %w", ErrName)
	case len(s) > maxIfNameLen:
		return fmt.Errorf("nft: interface name %q has %d bytes, more than %d: %w", s, len(s), maxIfNameLen, ErrName)
	case s == "." || s == "..":
		return fmt.Errorf("nft: interface name %q is a directory: %w", s, ErrName)
	case !utf8.ValidString(s):
		return fmt.Errorf("nft: interface name %q is not UTF-8: %w", s, ErrName)
	}
	for i := range len(s) {
		// To the kernel, the byte 0xa0 is white space, even in the middle of a
		// character.
		if c := s[i]; c <= ' ' || c == 0x7f || c == 0xa0 || strings.IndexByte(`/:"*\`, c) >= 0 {
			return fmt.Errorf("nft: interface name %q: character %q at byte %d: %w", s, c, i, ErrName)
		}
	}
	return nil
}

// maxCommentLen is nft's NFTNL_UDATA_COMMENT_MAXLEN.
const maxCommentLen = 128

// ValidComment reports whether nft can show and read back a comment: at most
// 128 bytes of text without quotation marks (there is no escaping) and without
// control characters. The empty comment is none.
func ValidComment(s string) error {
	if len(s) > maxCommentLen {
		return fmt.Errorf("nft: comment %.20q… has %d bytes, more than %d: %w", s, len(s), maxCommentLen, ErrName)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("nft: comment %q is not UTF-8: %w", s, ErrName)
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f || c == '"' {
			return fmt.Errorf("nft: comment %q: character %q at byte %d: %w", s, c, i, ErrName)
		}
	}
	return nil
}

// reservedWords are the words that nft 1.0.6 does not take for a name
// everywhere a name can stand, and those that later versions have added.
func reservedWords() []string {
	return strings.Fields(`
accept add ah all and arp auto-merge bridge cgroup chain chains comment comp constant continue counter counters cpu
create ct day dccp define delete describe device devices dnat drop dst dup dynamic ecn element elements eq esp ether
exists expires export exthdr fib flags flow flowtable flowtables flush frag fwd gc-interval ge get goto gt handle hbh
hook hooks hour ibriport ibrname icmp icmpv6 igmp iif iifgroup iifname iiftype import include index inet insert interval
ip ip6 ipsec jhash jump last le limit limits list ll log lshift lt map maps mark masquerade meta meter meters mh missing
monitor ne netdev nftrace nh not notrack numgen obriport obrname offload oif oifgroup oifname oiftype or osf pkttype
policy position priority queue quota quotas random redefine redirect reject rename replace reset return rshift rt rt0 rt2
rtclassid rule ruleset sctp secmark secmarks set sets size skgid skuid snat socket srh symhash synproxy synproxys table
tables tcp th time timeout tproxy type typeof udp udplite undefine update vlan vmap xor xt
destroy geneve gre gretap inner tunnel tunnels vxlan xfrm`)
}
