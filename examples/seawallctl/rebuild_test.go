package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// After a ruleset was saved and loaded as text, the doctor and all commands say what to do, and that brings back what ls
// lists: with packets before and after.
func TestRebuild(t *testing.T) {
	t.Parallel()
	for _, layout := range []string{"native", "hybrid"} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.refused(1, "there is no firewall", "", "rebuild")
			document := `{firewall: {layout: ` + layout + `}, networks: [{name: web, bridge: br-web, ipv4: {subnet: 172.18.0.0/16}, ipv6: {subnet: "fd00:18::/64"}},
				{name: back, internal: true, ipv4: {subnet: 172.19.0.0/16}}],
				endpoints: [{name: c1, network: web, ipv4: 172.18.0.2, ipv6: "fd00:18::2", publish: ["8080:80", "9000-9009:9000-9009"]},
				{name: db, network: back, ipv4: 172.19.0.2}]}`
			l.runWith(document, "apply", "-f", "-")
			c1 := l.Namespace("c1")
			l.run("attach", "--network", "web", "--endpoint", "c1", "--container-netns", path(c1))
			c1.Listen("tcp", ":80")
			l.reach("applied", l.ext, "tcp", "192.0.2.1:8080", "delivered to c1")
			l.refused(1, "nothing is lost", "", "rebuild")

			l.nft("flush ruleset\n"+l.nft("", "list", "ruleset"), "-f", "-")
			l.refused(1, "seawallctl rebuild", "", "publish", "c1", "8081:80")
			if r := l.try("", "doctor"); r.code != 1 || !strings.Contains(r.stdout, "seawallctl rebuild") {
				t.Errorf("doctor: %s", r.stdout)
			}
			if out := l.run("rebuild"); !strings.Contains(out, "layout "+layout+": 2 networks, 2 endpoints, 2 published") {
				t.Errorf("rebuild: %s", out)
			}
			l.reach("rebuilt", l.ext, "tcp", "192.0.2.1:8080", "delivered to c1")
			if out := l.runWith(document, "apply", "-f", "-"); out != "" {
				t.Errorf("the document again: %s", out)
			}
			l.run("publish", "c1", "8081:80")
			l.reach("published", l.ext, "tcp", "192.0.2.1:8081", "delivered to c1")
		})
	}
}

// nft runs nft on the host, and returns what it prints.
func (l *lab) nft(stdin string, args ...string) string {
	l.t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		if os.Getenv("CI") == "true" {
			l.t.Fatal(err)
		}
		l.t.Skip("nft is not installed: nothing was tested")
	}
	var stdout, stderr bytes.Buffer
	c := exec.Command(path, args...)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := l.host.Do(c.Run); err != nil {
		l.t.Fatalf("nft: %v\n%s", err, stderr.String())
	}
	return stdout.String()
}
