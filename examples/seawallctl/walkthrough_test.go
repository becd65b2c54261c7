package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The walk-through of the README, with packets before and after each step.
func TestWalkthrough(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	web, err := os.ReadFile("testdata/web.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(file, web, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := l.run("ls") + l.run("ls", "--json"); got != "{\n  \"networks\": [],\n  \"endpoints\": []\n}\n" {
		t.Errorf("ls on an empty host: %q", got)
	}
	l.refused(1, "there is no firewall on this host: make one by seawallctl apply -f FILE", "", "publish", "c1", "80")
	l.refused(1, "there is no firewall", "", "user", "list")

	before := l.generation()
	if plan := l.run("apply", "-f", file, "--dry-run"); !strings.Contains(plan, "+ network web br-web 172.18.0.0/16 nat") || l.generation() != before {
		t.Errorf("dry run, generation %d, was %d:\n%s", l.generation(), before, plan)
	}
	if done, plan := l.run("apply", "-f", file), "+ publish web/c1 8080:80\n"; !strings.Contains(done, plan) {
		t.Errorf("apply: %s", done)
	}
	generation := l.generation()
	if generation != before+2 { // the tables, and what is in them
		t.Errorf("apply took %d transactions", generation-before)
	}
	c1, c2 := l.Namespace("c1"), l.Namespace("c2")
	l.run("attach", "--network", "web", "--endpoint", "c1", "--container-netns", path(c1))
	l.run("attach", "--network", "web", "--endpoint", "c2", "--container-netns", path(c2), "--ifname", "net0")
	c1.Listen("tcp", ":80")
	c1.Listen("tcp", ":81")
	c2.Listen("tcp", ":80")
	l.reach("applied", l.ext, "tcp", "192.0.2.1:8080", "delivered to c1")
	l.reach("applied", l.ext, "tcp", "[2001:db8:1::1]:8080", "delivered to c1")
	l.reach("applied", l.ext, "tcp", "192.0.2.1:8082", "refused")
	l.reach("applied", c2, "tcp", "172.18.0.2:81", "delivered to c1")

	for _, text := range []string{"web/c1", "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp", "br-web"} {
		if out := l.run("ls"); !strings.Contains(out, text) {
			t.Errorf("ls lacks %q:\n%s", text, out)
		}
	}
	// Applied again, also as it is listed, nothing is written.
	generation = l.generation()
	again := l.run("apply", "-f", file) + l.runWith(l.run("ls", "--json"), "apply", "-f", "-")
	if again != "" || l.generation() != generation {
		t.Errorf("applied again: generation %d, was %d\n%s", l.generation(), generation, again)
	}

	l.run("publish", "c2", "8082:80")
	l.reach("published", l.ext, "tcp", "192.0.2.1:8082", "delivered to c2")
	l.run("unpublish", "web/c2", "8082:80")
	l.reach("unpublished", l.ext, "tcp", "192.0.2.1:8082", "refused")

	l.run("user", "append", "--", "-s", "192.0.2.2", "-j", "DROP")
	l.reach("user rule", l.ext, "tcp", "192.0.2.1:8080", "silent")
	l.reach("user rule", l.ext, "tcp", "[2001:db8:1::1]:8080", "delivered to c1")
	if saved := l.run("user", "save"); !strings.Contains(saved, "-A DOCKER-USER -s 192.0.2.2/32 -j DROP") {
		t.Errorf("user save: %s", saved)
	}
	l.run("user", "check", "--", "-s", "192.0.2.2", "-j", "DROP")
	l.refused(1, "", "", "user", "check", "--", "-s", "192.0.2.3", "-j", "DROP")
	l.run("user", "delete", "--", "-s", "192.0.2.2", "-j", "DROP")
	l.reach("user rule deleted", l.ext, "tcp", "192.0.2.1:8080", "delivered to c1")

	l.walkWatch()
	l.walkChange(file, string(web))

	l.run("down", "--links")
	l.reach("down", l.ext, "tcp", "192.0.2.1:8080", "refused")
	if rest := l.ruleset().String(); strings.Contains(rest, "seawall") {
		t.Errorf("left after down:\n%s", rest)
	}
	if _, err := l.host.Netlink().LinkByName("br-web"); err == nil {
		t.Error("the bridge is there after down --links")
	}
	l.run("down")
}

// walkChange changes the document: options in place, an endpoint goes, and the rest stays connected.
func (l *lab) walkChange(file, web string) {
	t := l.t
	t.Helper()
	bridge := l.host.Index("br-web")
	changed := strings.Replace(web, "disable_icc: false", "disable_icc: true", 1)
	changed = strings.Replace(changed, `"8080:80"`, `"8081:80"`, 1)
	if changed == web {
		t.Fatal("the document has changed")
	}
	generation := l.generation()
	out := l.runWith(changed, "apply", "-f", "-")
	if want := "- publish web/c1 8080:80\n~ network web disable_icc: false -> true\n+ publish web/c1 8081:80\n"; out != want {
		t.Errorf("changed:\n%s\nwant\n%s", out, want)
	}
	if l.generation() != generation+1 || l.host.Index("br-web") != bridge {
		t.Errorf("the change took %d transactions; bridge %d, was %d", l.generation()-generation, l.host.Index("br-web"), bridge)
	}
	c1, c2 := l.ext, l.ext
	l.reach("changed", c1, "tcp", "192.0.2.1:8081", "delivered to c1")
	l.reach("changed", c2, "tcp", "192.0.2.1:8080", "refused")
	l.refused(2, "standard input:1: the document: unknown key \"network\"", "network: []", "apply", "-f", "-")
	l.refused(2, "standard input:", strings.Replace(web, "172.18.0.3", "172.18.0.2", 1), "apply", "-f", "-")
	l.reach("refused", c1, "tcp", "192.0.2.1:8081", "delivered to c1")
	l.run("apply", "-f", file)
	l.reach("changed back", c1, "tcp", "192.0.2.1:8080", "delivered to c1")
}

var large = flag.Bool("large", false, "apply a document with 200 networks, 2,000 endpoints and 20,000 ports, rather than a tenth of each")

// A large document is one transaction, and applied again it writes nothing.
func TestLargeDocument(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	networks := 20
	if *large {
		networks = 200
	}
	var doc strings.Builder
	doc.WriteString("networks:\n")
	for n := range networks {
		fmt.Fprintf(&doc, "  - {name: n%d, ipv4: {subnet: 10.%d.0.0/24}}\n", n, n)
	}
	doc.WriteString("endpoints:\n")
	port := 2000
	for n := range networks {
		for e := range 10 {
			fmt.Fprintf(&doc, "  - {name: c%d, network: n%d, ipv4: 10.%d.0.%d, publish: [", e, n, n, e+2)
			for p := range 10 {
				fmt.Fprintf(&doc, "\"%d:%d\", ", port, p+80)
				port++
			}
			doc.WriteString("]}\n")
		}
	}
	before := l.generation()
	l.runWith(doc.String(), "apply", "-f", "-")
	if took := l.generation() - before; took != 2 {
		t.Errorf("%d transactions; want one for the tables, and one for the document", took)
	}
	before = l.generation()
	if out := l.runWith(doc.String(), "apply", "-f", "-"); out != "" || l.generation() != before {
		t.Errorf("applied again: generation %d, was %d\n%s", l.generation(), before, out)
	}
	if n := len(l.listing()["endpoints"].([]any)); n != networks*10 {
		t.Errorf("%d endpoints", n)
	}
	l.run("down")
}
