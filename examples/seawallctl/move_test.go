package main

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/internal/netlab"
)

// moveDocument is a document with a layout.
func moveDocument(layout, rest string) string {
	return "firewall:\n  layout: " + layout + `
networks:
  - {name: web, bridge: br-web, disable_icc: true, ipv4: {subnet: 172.18.0.0/16}, ipv6: {subnet: "fd00:18::/64"}}
endpoints:
  - {name: c1, network: web, ipv4: 172.18.0.2, ipv6: "fd00:18::2", publish: ["8080:80", "82"]}
  - {name: c2, network: web, ipv4: 172.18.0.3, ipv6: "fd00:18::3"}
` + rest
}

// A document with another layout moves the host over: containers stay connected, and ports are the same.
func TestApplyAnotherLayout(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.runWith(moveDocument("native", ""), "apply", "-f", "-")
	c1, c2 := l.Namespace("c1"), l.Namespace("c2")
	l.run("attach", "--network", "web", "--endpoint", "c1", "--container-netns", path(c1))
	l.run("attach", "--network", "web", "--endpoint", "c2", "--container-netns", path(c2))
	c1.Listen("tcp", ":80")
	c1.Listen("tcp", ":81")
	flow := l.Flow(netlab.Probe{From: l.ext, Proto: "tcp", To: netip.MustParseAddrPort("192.0.2.1:8080")})
	fates := func(when string) {
		t.Helper()
		for _, host := range []string{"192.0.2.1", "[2001:db8:1::1]"} {
			l.reach(when, l.ext, "tcp", host+":8080", "delivered to c1")
		}
		for _, container := range []string{"172.18.0.2", "[fd00:18::2]"} {
			// A neighbour that does not answer is silent at first, and unreachable then.
			if r := c2.Probe("tcp", container+":81"); r.Outcome == netlab.Delivered || r.Outcome == netlab.Refused {
				t.Errorf("%s: a sibling, without ICC: %v", when, r)
			}
		}
		if r := flow.Ask(); r.Outcome != netlab.Delivered {
			t.Errorf("%s: the established connection: %v", when, r)
		}
	}
	fates("native")
	port := chosenPorts(l)
	last := "native"
	for _, layout := range []string{"hybrid", "docker-28", "native"} {
		before, index := l.generation(), l.host.Index("br-web")
		line := "~ firewall layout: " + last + " -> " + layout + "\n"
		if plan := l.runWith(moveDocument(layout, ""), "apply", "-f", "-", "--dry-run"); plan != line || l.generation() != before {
			t.Errorf("dry run: generation %d, was %d; %q, want %q", l.generation(), before, plan, line)
		}
		if out := l.runWith(moveDocument(layout, ""), "apply", "-f", "-"); out != line {
			t.Errorf("%q, want %q", out, line)
		}
		if took := l.generation() - before; took != 1 || l.host.Index("br-web") != index {
			t.Errorf("%s: %d transactions; bridge %d, was %d", layout, took, l.host.Index("br-web"), index)
		}
		if is := l.listing()["firewall"].(map[string]any)["layout"]; is != layout {
			t.Errorf("the layout is %v, want %s", is, layout)
		}
		if now := chosenPorts(l); now != port {
			t.Errorf("%s: ports are %s, were %s", layout, now, port)
		}
		fates(layout)
		last = layout
	}
	// Layout and facts change with one document, and damage is repaired on the way.
	if _, err := l.conn.Commit(context.Background(), damage()); err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(moveDocument("hybrid", ""), "disable_icc: true", "disable_icc: false", 1)
	out := l.runWith(changed, "apply", "-f", "-")
	for _, line := range []string{"~ firewall layout: native -> hybrid\n", "~ network web disable_icc: true -> false\n", "objects that others had damaged"} {
		if !strings.Contains(out, line) {
			t.Errorf("applied, it does not say %q:\n%s", line, out)
		}
	}
	c2.Listen("tcp", ":83")
	l.reach("hybrid with ICC", c1, "tcp", "172.18.0.3:83", "delivered to c2") // it has not looked for this neighbour before
	l.run("down", "--links")
	if tables := l.ruleset().Tables(); len(tables) > 0 {
		t.Errorf("left after down: %v", tables)
	}
}

// What cannot move stays as it was, and the document's line says why.
func TestLayoutIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.runWith(moveDocument("native", ""), "apply", "-f", "-")
	v4 := "firewall: {\n  layout: docker-1.9}\nnetworks: [{name: web, ipv4: {subnet: 172.18.0.0/16}}]\n"
	for _, dry := range []string{"--dry-run=true", "--dry-run=false"} {
		// What the document itself asks for, and what is there already.
		l.refused(2, "standard input:2: ", moveDocument("docker-1.0", ""), "apply", "-f", "-", dry)
		l.refused(2, "standard input:4: network web: ipv6.subnet: rules for IPv6: Docker has that since 20.10", moveDocument("docker-1.9", ""), "apply", "-f", "-", dry)
		l.refused(2, "standard input:2: firewall: layout: native cannot become docker-1.9 on this host: ", v4, "apply", "-f", "-", dry)
	}
	l.run("user", "append", "--", "-s", "192.0.2.2", "-j", "DROP")
	rules := "user_rules: {ipv4: [-s 192.0.2.2 -j DROP]}\n"
	for _, rest := range []string{"", rules} {
		for _, dry := range []string{"--dry-run=true", "--dry-run=false"} {
			l.refused(2, "standard input:2: firewall: layout: native cannot become docker-18.05 on this host: ", moveDocument("docker-18.05", rest), "apply", "-f", "-", dry)
		}
	}
	// Saved, flushed, moved and restored.
	l.run("user", "flush")
	l.runWith(moveDocument("docker-18.05", rules), "apply", "-f", "-")
	if saved := l.run("user", "save"); !strings.Contains(saved, "-A DOCKER-USER -s 192.0.2.2/32 -j DROP") {
		t.Errorf("user save: %s", saved)
	}
	// Where both layouts have the chain in the same place, the rules need not move.
	l.runWith(moveDocument("hybrid", ""), "apply", "-f", "-")
	if saved := l.run("user", "save"); !strings.Contains(saved, "-A DOCKER-USER -s 192.0.2.2/32 -j DROP") {
		t.Errorf("user save in hybrid: %s", saved)
	}
	l.run("user", "flush")
	// What Docker puts into the chain itself is not the user's.
	l.runWith(moveDocument("docker-18.05", ""), "apply", "-f", "-")
	for _, dry := range []string{"--dry-run=true", "--dry-run=false"} {
		if out := l.runWith(moveDocument("native", ""), "apply", "-f", "-", dry); out != "~ firewall layout: docker-18.05 -> native\n" {
			t.Errorf("back to native: %q", out)
		}
	}

	// What fails after the move takes it back.
	l.host.Listen("tcp", ":9000")
	bad := strings.Replace(moveDocument("docker-28", ""), "8080:80", "9000:80", 1)
	if r := l.try(bad, "apply", "-f", "-"); r.code != 2 || !strings.Contains(r.stderr, "standard input:6: publish web/c1: hold 0.0.0.0:9000/tcp") {
		t.Errorf("a port of a program: %+v", r)
	}
	if is := l.listing()["firewall"].(map[string]any)["layout"]; is != "native" {
		t.Errorf("the layout is %v", is)
	}
	if out := l.runWith(moveDocument("native", ""), "apply", "-f", "-"); out != "" {
		t.Errorf("not everything was taken back: %s", out)
	}
}

// chosenPorts are what ls says of an endpoint's publications.
func chosenPorts(l *lab) string {
	l.t.Helper()
	for line := range strings.Lines(l.run("ls")) {
		if strings.Contains(line, "->82/tcp") {
			return strings.TrimSpace(line)
		}
	}
	l.t.Fatal("ls has no chosen port")
	return ""
}
