package nft

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// nftObjects is a ruleset with what people make with nft and this package
// does not: what can be expressed must be, the rest must be noticed.
const nftObjects = `
table ip t {
	comment "of the table"
	set a_comment { type ipv4_addr; comment "of the set"; elements = { 10.0.0.1 comment "of the element" } }
	set a_intervals { type ipv4_addr; flags interval; elements = { 0.0.0.0/8, 10.0.0.0/9, 10.128.0.0/9, 11.0.0.1, 12.0.0.1-12.0.0.9, 255.0.0.0/8 } }
	set a_merged { type inet_service; flags interval; auto-merge; elements = { 1-5, 7 } }
	set a_ranges { type ipv4_addr . inet_service; flags interval; size 10; elements = { 10.0.0.0/8 . 1-5, 11.0.0.1 . 7 } }
	set a_timeout { type ipv4_addr; timeout 1h; elements = { 10.0.0.1, 10.0.0.2 timeout 2h } }
	set a_dynamic { type ipv4_addr; size 65535; flags dynamic; counter; }
	set a_counted { type ipv4_addr; counter; elements = { 10.0.0.1 counter packets 3 bytes 5 } }
	set a_limited { type ipv4_addr; size 65535; limit rate 5/second; }
	set a_memory { type ipv4_addr; policy memory; }
	set a_typeof { typeof ip saddr . tcp dport; }
	set a_any { type ipv4_addr; elements = { 10.0.0.1, * } }
	set a_labels { type ipv4_addr . mark . ether_addr . dscp; }
	map a_verdicts { type ifname : verdict; elements = { "a" : accept, "b" : jump a_c } }
	map a_published { type inet_service : ipv4_addr . inet_service; elements = { 1 : 10.0.0.1 . 80 } }
	map a_rangemap { type inet_service : interval ipv4_addr; flags interval; elements = { 5 : 10.0.0.1-10.0.0.9 } }
	map a_objects { type ipv4_addr : counter; elements = { 10.0.0.1 : "a_n" } }
	counter a_n { }
	chain a_c { comment "of the chain"; }
	chain a_base { type nat hook prerouting priority -100; policy drop; }
	chain a_filter { type filter hook forward priority 0; policy accept; ip saddr { 10.0.0.1 } drop; }
	chain a_route { type route hook output priority -150; }
}
table inet dormant { flags dormant;  chain ingress { type filter hook ingress device "lo" priority 0; }; }
table netdev d { chain c { type filter hook ingress device "lo" priority 0; }; }
table arp a { chain c { type filter hook input priority 0; }; }
table bridge b { chain c { type filter hook postrouting priority 5; }; }
`

// A capturedObject is an object as the kernel listed it.
type capturedObject struct {
	kind   string // table, chain, set, or the name of the set that elements are in
	family Family
	attrs  []byte
}

const capturedObjectsFile = "testdata/nft-objects.txt"

func captureObjects(t *testing.T) {
	c := nftDial(t, nftObjects)
	var out strings.Builder
	list := func(kind string, msg uint16, family Family, attrs []byte) []dumped {
		dump, err := c.dump(context.Background(), msg, family, attrs)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dump {
			fmt.Fprintf(&out, "%s\t%d\t%x\n", kind, d.family, d.attrs)
		}
		return dump
	}
	list("table", unix.NFT_MSG_GETTABLE, 0, nil)
	list("chain", unix.NFT_MSG_GETCHAIN, 0, nil)
	for _, d := range list("set", unix.NFT_MSG_GETSET, 0, nil) {
		s, err := decodeSet(d.family, d.attrs)
		if err != nil {
			t.Fatal(err)
		}
		var e encoder
		e.str(unix.NFTA_SET_ELEM_LIST_TABLE, s.Table.Name)
		e.str(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
		list("elements "+s.Name, unix.NFT_MSG_GETSETELEM, d.family, e.b)
	}
	if err := os.WriteFile(capturedObjectsFile, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readCapturedObjects(t testing.TB) []capturedObject {
	t.Helper()
	f, err := os.Open(capturedObjectsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []capturedObject
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var family Family
		words := strings.Split(lines.Text(), "\t")
		if _, err := fmt.Sscan(words[1], &family); err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(words[2])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, capturedObject{words[0], family, b})
	}
	return out
}

// describeCaptured decodes captured objects into one line each.
func describeCaptured(t *testing.T, objects []capturedObject) []string {
	t.Helper()
	var out []string
	sets := map[string]*Set{}
	note := func(foreign string) string {
		if foreign == "" {
			return ""
		}
		return " FOREIGN " + foreign
	}
	for _, o := range objects {
		var err error
		switch kind, name, _ := strings.Cut(o.kind, " "); kind {
		case "table":
			var tab *Table
			if tab, err = decodeTable(o.family, o.attrs); err == nil {
				out = append(out, fmt.Sprintf("table %s flags %d %q", tab.Ref(), tab.Flags, tab.Comment))
			}
		case "chain":
			var c *Chain
			if c, err = decodeChain(o.family, o.attrs); err == nil {
				out = append(out, fmt.Sprintf("chain %s %s %s %d %s %q%s", c.Ref(), c.Type, c.Hook, c.Priority, c.Policy, c.Comment, note(c.foreign)))
			}
		case "set":
			var s *Set
			if s, err = decodeSet(o.family, o.attrs); err == nil {
				sets[s.Name] = s
				out = append(out, fmt.Sprintf("set %s %s : %s interval=%t counter=%t size=%d %q%s", s.Name, s.Key, s.Data,
					s.Interval, s.Counter, s.Size, s.Comment, note(s.foreign)))
			}
		case "elements":
			var entries []elementDump
			s := sets[name]
			if entries, err = decodeElements(s, nil, o.attrs); err == nil {
				if s.Interval && len(s.Key.parts()) < 2 {
					entries = joinIntervals(entries)
				}
				for _, d := range entries {
					e := d.element
					line := fmt.Sprintf("element %s %s", s.Name, formatKeys(s.Key, e))
					if e.Data != "" {
						line += " : " + formatValue(s.Data, e.Data)
					}
					if e.Verdict != (Verdict{}) {
						line += " : " + e.Verdict.String()
					}
					out = append(out, fmt.Sprintf("%s %q %d/%d%s", line, e.Comment, e.Packets, e.Bytes, note(e.foreign)))
				}
			}
		}
		if err != nil {
			t.Errorf("%s: %v", o.kind, err)
		}
	}
	slices.Sort(out) // a hash table has no order
	return out
}

func formatKeys(t Type, e *Element) string {
	if e.End == "" {
		return formatValue(t, e.Key)
	}
	return formatValue(t, e.Key) + " - " + formatValue(t, e.End)
}

func TestObjectsMadeWithNFT(t *testing.T) {
	if *update {
		captureObjects(t)
	}
	got := strings.Join(describeCaptured(t, readCapturedObjects(t)), "\n") + "\n"
	if got != nftObjectsWant {
		t.Errorf("got\n%s", got)
	}
}

const nftObjectsWant = `chain arp a c filter none 0 accept "" FOREIGN hook 0
chain bridge b c filter postrouting 5 accept ""
chain inet dormant ingress filter none 0 accept "" FOREIGN hook 5, devices
chain ip t a_base nat prerouting -100 drop ""
chain ip t a_c filter none 0 accept "of the chain"
chain ip t a_filter filter forward 0 accept ""
chain ip t a_route route output -150 accept ""
chain netdev d c filter none 0 accept "" FOREIGN hook 0, devices
element a_any 0x "" 0/0 FOREIGN catch-all
element a_any 10.0.0.1 "" 0/0
element a_comment 10.0.0.1 "of the element" 0/0
element a_counted 10.0.0.1 "" 3/5
element a_intervals 0.0.0.0 - 0.255.255.255 "" 0/0
element a_intervals 10.0.0.0 - 10.127.255.255 "" 0/0
element a_intervals 10.128.0.0 - 10.255.255.255 "" 0/0
element a_intervals 11.0.0.1 "" 0/0
element a_intervals 12.0.0.1 - 12.0.0.9 "" 0/0
element a_intervals 255.0.0.0 - 255.255.255.255 "" 0/0
element a_merged 1 - 5 "" 0/0
element a_merged 7 "" 0/0
element a_objects 10.0.0.1 "" 0/0 FOREIGN object "a_n"
element a_published 1 : 10.0.0.1 . 80 "" 0/0
element a_rangemap 5 : 0x0a0000010a000009 "" 0/0
element a_ranges 10.0.0.0 . 1 - 10.255.255.255 . 5 "" 0/0
element a_ranges 11.0.0.1 . 7 "" 0/0
element a_timeout 10.0.0.1 "" 0/0 FOREIGN expires
element a_timeout 10.0.0.2 "" 0/0 FOREIGN timeout 7200000, expires
element a_verdicts "a" : accept "" 0/0
element a_verdicts "b" : jump a_c "" 0/0
set a_any ipv4_addr : none interval=false counter=false size=0 ""
set a_comment ipv4_addr : none interval=false counter=false size=0 "of the set"
set a_counted ipv4_addr : none interval=false counter=true size=0 ""
set a_dynamic ipv4_addr : none interval=false counter=true size=65535 "" FOREIGN flags 0x20
set a_intervals ipv4_addr : none interval=true counter=false size=0 ""
set a_labels ipv4_addr . mark . ether_addr . unknown : none interval=false counter=false size=0 "" FOREIGN key type 1913444 length 20
set a_limited ipv4_addr : none interval=false counter=false size=65535 "" FOREIGN expression limit 0c00010000000000000000050c0002000000000000000001080003000000000508000400000000000800050000000000
set a_memory ipv4_addr : none interval=false counter=false size=0 "" FOREIGN policy 1
set a_merged inet_service : none interval=true counter=false size=0 ""
set a_objects ipv4_addr : none interval=false counter=false size=0 "" FOREIGN objects 1, flags 0x40
set a_published inet_service : ipv4_addr . inet_service interval=false counter=false size=0 ""
set a_rangemap inet_service : ipv4_addr interval=true counter=false size=0 "" FOREIGN data type 7 length 8
set a_ranges ipv4_addr . inet_service : none interval=true counter=false size=10 ""
set a_timeout ipv4_addr : none interval=false counter=false size=0 "" FOREIGN timeout 3600000, flags 0x10
set a_typeof ipv4_addr . inet_service : none interval=false counter=false size=0 ""
set a_verdicts ifname : verdict interval=false counter=false size=0 ""
table arp a flags 0 ""
table bridge b flags 0 ""
table inet dormant flags 1 ""
table ip t flags 0 "of the table"
table netdev d flags 0 ""
`
