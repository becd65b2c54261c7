package main

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/nft"
)

// findings are those of doctor --json; the exit status tells whether there is a problem.
func (l *lab) findings() []finding {
	l.t.Helper()
	before := l.ruleset()
	r := l.try("", "doctor", "--json")
	var out struct{ Findings []finding }
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil {
		l.t.Fatalf("%v: %+v", err, r)
	}
	want := 0
	for _, f := range out.Findings {
		if f.Severity == problem {
			want = 1
		}
		if f.Mend == "" || f.What == "" {
			l.t.Errorf("nothing is said of %+v", f)
		}
	}
	if r.code != want || r.stderr != "" {
		l.t.Errorf("doctor: exit status %d, want %d: %s", r.code, want, r.stderr)
	}
	if after := l.ruleset(); after.Generation != before.Generation {
		l.t.Errorf("doctor has changed the ruleset: generation %d, was %d", after.Generation, before.Generation)
	}
	return out.Findings
}

// problems are what findings are about, without notes.
func problems(all []finding) []finding {
	var out []finding
	for _, f := range all {
		if f.Severity == problem {
			out = append(out, f)
		}
	}
	return out
}

func (l *lab) commit(objects ...nft.Object) {
	l.t.Helper()
	var b nft.Batch
	for _, o := range objects {
		if r, ok := o.(*nft.Rule); ok {
			b.AddRule(r, 0)
		} else {
			b.Create(o)
		}
	}
	if _, err := l.conn.Commit(context.Background(), b); err != nil {
		l.t.Fatal(err)
	}
}

// Each thing that keeps packets from containers is found, and what is said to mend it does, where the program for it is
// there.
func TestDoctor(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if found := l.findings(); len(found) > 0 {
		t.Errorf("an empty host: %+v", found)
	}
	l.run("apply", "-f", "testdata/web.yaml")
	if found := problems(l.findings()); len(found) > 0 {
		t.Errorf("a healthy host: %+v", found)
	}
	fw := nft.TableRef{Family: nft.INet, Name: "fw"}
	filter := nft.TableRef{Family: nft.IPv4, Name: "filter"}
	docker := nft.TableRef{Family: nft.IPv6, Name: "docker-bridges"}
	base := func(t nft.TableRef, name string, p nft.Policy) *nft.Chain {
		return &nft.Chain{Table: t, Name: name, Hook: nft.Forward, Policy: p}
	}
	rule := func(c nft.ChainRef, statements ...nft.Statement) *nft.Rule {
		return &nft.Rule{Chain: c, Statements: statements}
	}
	for _, c := range []struct {
		name, about, mend string
		harm, undo        func()
	}{
		{"forwarding", "net.ipv4.ip_forward", "sysctl -w net.ipv4.ip_forward=1", func() { l.host.SetSysctl("net.ipv4.ip_forward", "0") }, func() { l.host.SetSysctl("net.ipv4.ip_forward", "1") }},
		{"a foreign policy", "chain ip filter FORWARD", "iptables -I FORWARD -i br-web -j ACCEPT && iptables -I FORWARD -o br-web -j ACCEPT", func() {
			l.commit(&nft.Table{Family: filter.Family, Name: filter.Name}, base(filter, "FORWARD", nft.PolicyDrop))
		}, l.deleteTables(filter)},
		{"a foreign tail", "chain inet fw tail", `nft 'insert rule inet fw tail iifname "br-web" accept' && nft 'insert rule inet fw tail oifname "br-web" accept'`, func() {
			tail := base(fw, "tail", nft.PolicyAccept)
			l.commit(&nft.Table{Family: fw.Family, Name: fw.Name}, tail,
				rule(tail.Ref(), nft.CTState.Any(nft.CTEstablished), nft.Accept()), rule(tail.Ref(), nft.Counter(), nft.Drop()))
		}, l.deleteTables(fw)},
		{"Docker's chains", "table ip filter", "iptables-save -t filter | grep -vE -- '(-A|-j|-g|^:) ?DOCKER( |$|-[^U])' | iptables-restore -T filter", func() {
			if l.ruleset().Lookup((&nft.Table{Family: filter.Family, Name: filter.Name}).ID()) == nil {
				l.commit(&nft.Table{Family: filter.Family, Name: filter.Name})
			}
			l.commit(&nft.Chain{Table: filter, Name: "DOCKER"}, &nft.Chain{Table: filter, Name: "DOCKER-FORWARD"}, &nft.Chain{Table: filter, Name: "DOCKER-USER"})
		}, l.deleteTables(filter)},
		{"Docker's table", "table ip6 docker-bridges", "nft delete table ip6 docker-bridges", func() {
			l.commit(&nft.Table{Family: docker.Family, Name: docker.Name})
		}, l.deleteTables(docker)},
		{"a bridge that is down", "network web", "ip link set br-web up", func() { l.host.SetDown("br-web") }, func() { l.host.SetUp("br-web") }},
		{"an address", "network web", "ip address del 172.18.9.9/32 dev eth0", func() { l.host.Address("eth0", "172.18.9.9/32") }, func() {
			if err := l.host.Netlink().AddrDel(l.link("eth0"), &netlink.Addr{IPNet: ipNet("172.18.9.9/32")}); err != nil {
				t.Fatal(err)
			}
		}},
		{"a route", "network web", "ip route del 172.18.128.0/17 dev eth0", func() { l.host.Route("172.18.128.0/17", "192.0.2.2") }, func() {
			if err := l.host.Netlink().RouteDel(&netlink.Route{Dst: ipNet("172.18.128.0/17")}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		c.harm()
		found := problems(l.findings())
		if len(found) != 1 || found[0].About != c.about || found[0].Mend != c.mend {
			t.Errorf("%s: %+v", c.name, found)
		}
		l.mend(c.mend, c.undo)
		if found := problems(l.findings()); len(found) > 0 {
			t.Fatalf("%s: mended: %+v", c.name, found)
		}
	}
	l.host.SetSysctl("net.ipv4.conf.all.rp_filter", "1")
	if found := l.findings(); !slices.ContainsFunc(found, func(f finding) bool { return f.Mend == "sysctl -w net.ipv4.conf.br-web.rp_filter=2" }) {
		t.Errorf("a strict rp_filter: %+v", found)
	}
	if _, err := l.conn.Commit(context.Background(), damage()); err != nil {
		t.Fatal(err)
	}
	if found := problems(l.findings()); len(found) != 1 || found[0].About != "rules" {
		t.Errorf("damaged rules: %+v", found)
	}
	if text := l.try("", "doctor").stdout; !strings.HasPrefix(text, "problem: rules: ") {
		t.Errorf("for people: %s", text)
	}
}

// link is an interface of the host.
func (l *lab) link(name string) netlink.Link {
	l.t.Helper()
	link, err := l.host.Netlink().LinkByName(name)
	if err != nil {
		l.t.Fatal(err)
	}
	return link
}

func ipNet(prefix string) *net.IPNet {
	p := netip.MustParsePrefix(prefix)
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// mend does what the doctor says, by the program that it names, or else undoes the harm.
func (l *lab) mend(command string, undo func()) {
	l.t.Helper()
	program := strings.Fields(command)[0]
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") == "true" {
			l.t.Error(err)
		}
		l.t.Logf("%v: not tried: %s", err, command)
		undo()
		return
	}
	err := l.host.Do(func() error {
		out, err := exec.Command("sh", "-c", command).CombinedOutput()
		if err != nil {
			l.t.Errorf("%s: %s", command, out)
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// deleteTables undoes what was made in tables.
func (l *lab) deleteTables(tables ...nft.TableRef) func() {
	return func() {
		l.t.Helper()
		var b nft.Batch
		for _, t := range tables {
			b.Delete(&nft.Table{Family: t.Family, Name: t.Name})
		}
		if _, err := l.conn.Commit(context.Background(), b); err != nil {
			l.t.Fatal(err)
		}
	}
}
