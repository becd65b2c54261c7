package iptables

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

const saveText = `# a remark
*raw
:PREROUTING ACCEPT [12:3456]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -d 172.18.0.2/32 ! -i br-web -j DROP
COMMIT

*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [7:8]
:OUTPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
-N OWN
[5:600] -A DOCKER-USER	-m comment --comment "two \"words\" \\ and more"  -g OWN
-A OWN -p tcp --dport 80 -j DROP
-I OWN -s 10.0.0.1,10.0.0.2 -j RETURN
-I OWN 2 -s 10.0.0.3 -j RETURN
-A OWN -6 -s 2001:db8::1 -j DROP
-A FORWARD -j DOCKER-USER -c 1 2
COMMIT
`

const savedText = `*raw
:PREROUTING ACCEPT [12:3456]
:OUTPUT ACCEPT [0:0]
[0:0] -A PREROUTING -d 172.18.0.2/32 ! -i br-web -j DROP
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [7:8]
:OUTPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
:OWN - [0:0]
[1:2] -A FORWARD -j DOCKER-USER
[5:600] -A DOCKER-USER -m comment --comment "two \"words\" \\ and more" -g OWN
[0:0] -A OWN -s 10.0.0.2/32 -j RETURN
[0:0] -A OWN -s 10.0.0.3/32 -j RETURN
[0:0] -A OWN -s 10.0.0.1/32 -j RETURN
[0:0] -A OWN -p tcp -m tcp --dport 80 -j DROP
COMMIT
`

func TestParseSave(t *testing.T) {
	s, err := ParseSave(nft.IPv4, saveText)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.String(); got != savedText {
		t.Errorf("got\n%swant\n%s", got, savedText)
	}
	again, err := ParseSave(nft.IPv4, savedText)
	if err != nil || again.String() != savedText {
		t.Errorf("read back: %v\n%s", err, again)
	}
	c := s.Table("filter").Chain("DOCKER-USER")
	if c.Base || len(c.Rules) != 1 || c.Rules[0].Counters != (Counters{5, 600}) {
		t.Errorf("DOCKER-USER: %+v", c)
	}
	if c := s.Table("filter").Chain("FORWARD"); !c.Base || c.Policy != nft.PolicyDrop {
		t.Errorf("FORWARD: %+v", c)
	}
}

// iptables-restore makes the same of the file.
func TestToolRestoresTheSame(t *testing.T) {
	if !haveTool(t) {
		return
	}
	h := newHost(t)
	run := func(stdin string, args ...string) string {
		var stdout, stderr bytes.Buffer
		err := netns.Do(h.ns, func() error {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
			return cmd.Run()
		})
		if err != nil {
			t.Fatalf("%q: %v: %s", args, err, stderr.String())
		}
		return stdout.String()
	}
	run(saveText, "iptables-restore", "-c")
	for _, table := range []string{"raw", "filter"} {
		saved, err := ParseSave(nft.IPv4, run("", "iptables-save", "-c", "-t", table))
		if err != nil {
			t.Fatal(err)
		}
		ours, _ := ParseSave(nft.IPv4, saveText)
		for _, c := range saved.Table(table).Chains {
			want := ours.Table(table).Chain(c.Name)
			if want == nil || len(want.Rules) != len(c.Rules) || want.Policy != c.Policy || want.Base != c.Base {
				t.Errorf("chain %s: %+v, want %+v", c.Name, c, want)
				continue
			}
			for i, r := range c.Rules {
				if r.String() != want.Rules[i].String() || r.Counters != want.Rules[i].Counters {
					t.Errorf("%s %d: %s %v, want %s %v", c.Name, i, r, r.Counters, want.Rules[i], want.Rules[i].Counters)
				}
			}
		}
	}
}

func TestParseSaveRefuses(t *testing.T) {
	for _, c := range []struct {
		text       string
		line, word int
		reason     string
	}{
		{"*filter\n-A INPUT -j DROP --foo\nCOMMIT\n", 2, 5, `unknown option "--foo"`},
		{"*filter\n[1:2] -A INPUT -j DROP --foo\nCOMMIT\n", 2, 6, `unknown option "--foo"`},
		{"*filter\n-A INPUT -j DROP\n", 3, 1, "ends without COMMIT"},
		{"*filter\n*nat\n", 2, 1, "COMMIT is missing"},
		{"*filter\nCOMMIT\n*filter\n", 3, 1, "already"},
		{"*nosuch\n", 1, 1, "no table"},
		{"-A INPUT -j DROP\n", 1, 1, "no table is open"},
		{"*filter\nCOMMIT\nCOMMIT\n", 3, 1, "no table is open"},
		{"*filter\n:INPUT RETURN\n", 2, 2, "no policy"},
		{"*filter\n:OWN ACCEPT\n", 2, 2, "only chains of iptables"},
		{"*filter\n:PREROUTING ACCEPT\n", 2, 2, "only chains of iptables"},
		{"*nat\n:OUTPUT DROP\n", 2, 2, "not for filtering"},
		{"*filter\n:INPUT ACCEPT [1]\n", 2, 3, "not counters"},
		{"*filter\n:INPUT\n", 2, 1, "not a chain"},
		{"*filter\n:INPUT ACCEPT\n:INPUT ACCEPT\n", 3, 1, "already"},
		{"*filter\n[x:2] -A INPUT\n", 2, 1, "not counters"},
		{"*filter\n[1:2] -A INPUT -c 1 2\n", 2, 4, "counters already"},
		{"*filter\n-A NONE -j DROP\n", 2, 2, "no chain NONE"},
		{"*filter\n[1:2] -A INPUT -j NONE\nCOMMIT\n", 2, 5, "no chain NONE"},
		{"*filter\n-A INPUT -A OUTPUT -j DROP\n", 2, 3, "given before"},
		{"*filter\n-j DROP\n", 2, 1, "no command"},
		{"*filter\n-D INPUT -j DROP\n", 2, 1, "--delete is no part of a rule"},
		{"*filter\n-t nat -A INPUT -j DROP\n", 2, 1, "-t is not possible"},
		{"*filter\n-A INPUT -w -j DROP\n", 2, 3, "-w is not possible"},
		{"*filter\n-I INPUT 2 -j DROP\n", 2, 1, "only 0 rules"},
		{"*filter\n-I INPUT 0 -j DROP\n", 2, 3, "not the number of a rule"},
		{"*filter\n-A INPUT -o eth0 -j DROP\n", 2, 3, "outgoing interface"},
		{"*filter\n-A INPUT -j REJECT --reject-with tcp-reset\n", 2, 0, "needs -p tcp"},
		{"*filter\n-A INPUT -m comment --comment \"open\n", 2, 6, "not closed"},
		{"*filter\n-A INPUT -j DROP\r\n", 2, 4, "line break"},
	} {
		_, err := ParseSave(nft.IPv4, c.text)
		var e *SyntaxError
		if !errors.As(err, &e) || e.Line != c.line || e.Word != c.word || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%q: %v: want line %d word %d, %s", c.text, err, c.line, c.word, c.reason)
		}
	}
}

func TestParseFamilies(t *testing.T) {
	for _, c := range []struct {
		rule    string
		ip, ip6 int
		err     string
	}{
		{"-j DROP", 1, 1, ""},
		{"-s 10.0.0.1 -j DROP", 1, 0, ""},
		{"-s 2001:db8::1,2001:db8::2 -j DROP", 0, 2, ""},
		{"-4 -j DROP", 1, 0, ""},
		{"-p icmpv6 --icmpv6-type 1", 0, 1, ""},
		{"-s 2001:db8::1 -j DROP --foo", 0, 0, `word 5: unknown option "--foo"`},
		{"-s 10.0.0.1 -j DROP --foo", 0, 0, `word 5: unknown option "--foo"`},
		{`-j "DROP`, 0, 0, "word 2: the quote"},
	} {
		ip, ip6, err := ParseFamilies(Context{Hook: nft.Forward}, c.rule)
		if len(ip) != c.ip || len(ip6) != c.ip6 || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %d, %d, %v", c.rule, len(ip), len(ip6), err)
		}
	}
}
