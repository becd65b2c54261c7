package iptables

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// These tests ask the real iptables, 1.8.9. They fail in CI where it is
// missing.

func TestMain(m *testing.M) { netlab.Main(m) }

// toolVersion is the version that is imitated.
const toolVersion = "v1.8.9 (nf_tables)"

// haveTool tells whether the real iptables is there.
func haveTool(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("iptables", "-V").Output()
	if err == nil && strings.Contains(string(out), toolVersion) {
		return true
	}
	msg := fmt.Sprintf("iptables %s is not installed: nothing was compared with it (%s, %v)", toolVersion, out, err)
	if os.Getenv("CI") != "" {
		t.Fatal(msg)
	}
	t.Log(msg)
	return false
}

// A host is a network namespace with the chains that the cases need.
type host struct {
	t  *testing.T
	ns *os.File
}

func newHost(t *testing.T) host {
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	h := host{t, ns}
	h.makeSets()
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		h.mustRun(f, "-N", "USER")
		h.mustRun(f, "-N", "OTHER")
		h.mustRun(f, "-A", "FORWARD", "-j", "USER")
		for _, place := range []string{
			"nat PREROUTING", "nat OUTPUT", "nat POSTROUTING", "raw PREROUTING", "mangle FORWARD",
		} {
			table, chain, _ := strings.Cut(place, " ")
			h.mustRun(f, "-t", table, "-A", chain, "-j", "RETURN") // makes the chain
			h.mustRun(f, "-t", table, "-F", chain)
		}
	}
	return h
}

// run runs iptables or ip6tables.
func (h host) run(f nft.Family, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	err := netns.Do(h.ns, func() error {
		cmd := exec.Command(toolName(f), args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		return cmd.Run()
	})
	if err != nil {
		err = fmt.Errorf("%s %q: %w: %s", toolName(f), args, err, stderr.String())
	}
	return stdout.String(), err
}

func (h host) mustRun(f nft.Family, args ...string) string {
	h.t.Helper()
	out, err := h.run(f, args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// dial connects to the host's nf_tables.
func (h host) dial() *nft.Conn {
	c, err := nft.Dial(nft.Config{NetNS: h.ns})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	return c
}

// commit adds a compiled rule to a chain.
func (h host) commit(c *nft.Conn, chain nft.ChainRef, r Rule) error {
	r, err := r.Resolve(testSets{})
	if err != nil {
		return err
	}
	s, comment, err := r.Statements(chain)
	if err != nil {
		return err
	}
	var b nft.Batch
	b.Add(&nft.Rule{Chain: chain, Statements: s, Comment: comment})
	_, err = c.Commit(context.Background(), b)
	return err
}

// rules loads a chain.
func (h host) rules(c *nft.Conn, chain nft.ChainRef) []*nft.Rule {
	h.t.Helper()
	rs, err := c.Load(context.Background(), chain.Table)
	if err != nil {
		h.t.Fatal(err)
	}
	return rs.Rules(chain)
}

// The tool lists, finds and deletes what was compiled, and what it programs
// itself is the same in the kernel and is read back as the same rule.
func TestToolAgrees(t *testing.T) {
	if !haveTool(t) {
		return
	}
	h := newHost(t)
	conn := h.dial()
	eachGoodCase(t, func(t *testing.T, c goodCase, ctx Context, chain, want string) {
		args, err := Split(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.agrees(conn, ctx, chain, args, []string{want}); err != nil {
			t.Errorf("%s %s: %v", ctx.Family, c.rule, err)
		}
	})
}

// agrees compares a rule with what the tool makes of it.
func (h host) agrees(conn *nft.Conn, ctx Context, chain string, args, want []string) error {
	ref := nft.TableRef{Family: ctx.Family, Name: ctx.table()}.Chain(chain)
	tool := func(command string, args ...string) (string, error) {
		return h.run(ctx.Family, append([]string{"-t", ctx.table(), command, chain}, args...)...)
	}
	defer func() { _, _ = tool("-F") }()
	rules, err := ParseAll(ctx, args)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if err := h.commit(conn, ref, r); err != nil {
			return err
		}
	}
	ours := h.rules(conn, ref)
	listed, err := tool("-S")
	if err != nil {
		return err
	}
	var lines []string
	for line := range strings.Lines(listed) {
		if rule, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "-A "+chain); ok {
			lines = append(lines, strings.TrimPrefix(rule, " "))
		}
	}
	if !slices.Equal(lines, want) {
		return fmt.Errorf("the tool lists %q, want %q", lines, want)
	}
	found := args
	if i := slices.Index(args, "-c"); i >= 0 { // not allowed with -C and -D
		found, _ = Split(want[0])
	}
	if _, err := tool("-C", found...); err != nil {
		return err
	}
	if _, err := tool("-D", found...); err != nil {
		return err
	}
	if left := h.rules(conn, ref); len(left) != 0 {
		return fmt.Errorf("%d rules are left", len(left))
	}
	if _, err := tool("-A", args...); err != nil {
		return err
	}
	theirs := h.rules(conn, ref)
	return sameRules(ours, theirs, rules)
}

// sameRules compares what was compiled with what the tool has programmed, and
// reads both back.
func sameRules(ours, theirs []*nft.Rule, want []Rule) error {
	if len(ours) != len(theirs) || len(ours) != len(want) {
		return fmt.Errorf("%d rules were compiled, the tool has %d", len(ours), len(theirs))
	}
	for i := range ours {
		if !slices.Equal(withoutIdle(ours[i].Statements), withoutIdle(theirs[i].Statements)) {
			return fmt.Errorf("compiled: %v, the tool: %v", ours[i].Statements, theirs[i].Statements)
		}
		for _, r := range []*nft.Rule{ours[i], theirs[i]} {
			back, err := readBack(r)
			if err != nil {
				return err
			}
			if back.String() != want[i].String() {
				return fmt.Errorf("read back as %s, want %s", back, want[i])
			}
			if back.Counters != want[i].Counters {
				return fmt.Errorf("read back with counters %v, want %v", back.Counters, want[i].Counters)
			}
		}
	}
	return nil
}

// withoutIdle drops what the tool programs for "-i +", which does nothing.
func withoutIdle(s []nft.Statement) []nft.Statement {
	return slices.DeleteFunc(slices.Clone(s), func(s nft.Statement) bool {
		c, ok := nft.Compared(s)
		return ok && c.Op == nft.Begins && c.Value == ""
	})
}

// Other tables get statements of nf_tables where these are exact, which are read
// back as the same rule.
func TestNativeFormsAreReadBack(t *testing.T) {
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	h := host{t, ns}
	h.makeSets()
	conn := h.dial()
	place := func(f nft.Family, name string) (nft.Chain, error) {
		ref := nft.TableRef{Family: f, Name: "seawall"}
		c := nft.Chain{Table: ref, Name: name}
		switch name {
		case "PREROUTING":
			c.Type, c.Hook, c.Priority = nft.NATChain, nft.Prerouting, -100
		case "POSTROUTING":
			c.Type, c.Hook, c.Priority = nft.NATChain, nft.Postrouting, 100
		case "OUTPUT":
			c.Type, c.Hook, c.Priority = nft.NATChain, nft.Output, -100
		case "USER":
			c.Hook = nft.Forward
		}
		var b nft.Batch
		b.Add(&nft.Table{Family: f, Name: "seawall"}, &nft.Chain{Table: ref, Name: "OTHER"}, &c)
		_, err := conn.Commit(context.Background(), b)
		return c, err
	}
	eachGoodCase(t, func(t *testing.T, c goodCase, ctx Context, name, want string) {
		r, err := ParseText(ctx, c.rule)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := place(ctx.Family, name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			var b nft.Batch
			b.Delete(&nft.Table{Family: ctx.Family, Name: "seawall"})
			if _, err := conn.Commit(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}()
		err = h.commit(conn, chain.Ref(), r)
		if r.Target.module != nil && len(r.Target.module.Tables) > 0 && err != nil && strings.Contains(err.Error(), "iptables' tables only") {
			return
		}
		if err != nil {
			t.Errorf("%s %s: %v", ctx.Family, c.rule, err)
			return
		}
		rules := h.rules(conn, chain.Ref())
		if len(rules) != 1 {
			t.Fatalf("%d rules", len(rules))
		}
		back, err := readBack(rules[0])
		if err != nil {
			t.Errorf("%s %s: %v", ctx.Family, c.rule, err)
			return
		}
		if got, want := nativeText(back), nativeText(r); got != want {
			t.Errorf("%s %s: read back as %s", ctx.Family, want, got)
		}
	})
}

// nativeText is a rule as it can be told from its native form: nf_tables keeps a
// remark with the rule, not between its matches, and has one word for the state
// and for ports.
func nativeText(r Rule) string {
	var comments []string
	var w words
	matches := r.Matches
	r.Matches = nil
	for _, m := range matches {
		switch v := m.value.(type) {
		case comment:
			comments = append(comments, v.text)
			continue
		case conntrack:
			v.alias = false
			m.value, m.module = v, findModule("conntrack", false, r.Family)
		case multiport:
			if p, ok := v.asPorts(); ok && r.Protocol.Number == protoTCP {
				m.value, m.module = tcp{sport: anyPorts(), dport: p}, findModule("tcp", false, r.Family)
			}
		}
		r.Matches = append(r.Matches, m)
	}
	slices.Sort(comments)
	r.format(&w)
	return w.String() + " " + strings.Join(comments, "|")
}

// asPorts is a list of one destination port.
func (m multiport) asPorts() (ports, bool) {
	return ports{m.ports[0], m.ports[0], m.invert}, m.count == 1 && m.side == destinationPorts
}
