package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// What containers are connected with is what was asked for, or there already, or free.
func TestAttach(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run("apply", "-f", "testdata/web.yaml")
	c1, c9, x := l.Namespace("c1"), l.Namespace("c9"), l.Namespace("x")
	var out map[string]string
	attach := func(args ...string) {
		t.Helper()
		out = nil
		if err := json.Unmarshal([]byte(l.run(append([]string{"attach", "--json", "--network", "web"}, args...)...)), &out); err != nil {
			t.Fatal(err)
		}
	}
	attach("--endpoint", "c1", "--container-netns", path(c1))
	if out["ipv4"] != "172.18.0.2" || out["ipv6"] != "fd00:18::2" {
		t.Errorf("c1: %v", out)
	}
	attach("--endpoint", "c9", "--container-netns", path(c9), "--ifname", "net7", "--ipv4", "172.18.0.9", "--mac", "02:00:00:00:00:09")
	if out["ipv4"] != "172.18.0.9" || out["ipv6"] != "" || c9.MAC("net7").String() != "02:00:00:00:00:09" {
		t.Errorf("c9: %v, %s", out, c9.MAC("net7"))
	}
	attach("--endpoint", "x", "--container-netns", path(x))
	if out["ipv4"] != "172.18.0.4" || out["ipv6"] != "fd00:18::4" {
		t.Errorf("x: %v", out)
	}
	x.Listen("tcp", ":80")
	l.reach("attached", c9, "tcp", "172.18.0.4:80", "delivered to x")

	container := path(l.Namespace("y"))
	l.refused(2, "--ipv4 172.18.0.8: endpoint web/c1 is there, with 172.18.0.2", "", "attach", "--network", "web", "--endpoint", "c1", "--container-netns", container, "--ipv4", "172.18.0.8")
	l.refused(2, `--ipv6: "1.2.3.4" is not such an address`, "", "attach", "--network", "web", "--endpoint", "y", "--container-netns", container, "--ipv6", "1.2.3.4")
	l.refused(2, "--network, --endpoint and --container-netns are needed", "", "attach", "--network", "web")
	l.refused(1, "network nix: file does not exist", "", "attach", "--network", "nix", "--endpoint", "y", "--container-netns", container)
	l.refused(1, "172.18.0.2 is the address of web/c1", "", "attach", "--network", "web", "--endpoint", "y", "--container-netns", container, "--ipv4", "172.18.0.2")
	// An endpoint whose link fails is not left behind.
	if r := l.try("", "attach", "--network", "web", "--endpoint", "y", "--container-netns", container, "--ifname", "lo"); r.code != 1 {
		t.Errorf("an interface that is there: %+v", r)
	}
	if ls := l.run("ls"); strings.Contains(ls, "web/y") {
		t.Errorf("the endpoint is left behind:\n%s", ls)
	}
	l.run("publish", "x", "8080-8081:80-81/udp", "127.0.0.1:9090:80")
	l.run("detach", "--network", "web", "--endpoint", "x")
	if ls := l.run("ls"); strings.Contains(ls, "web/x") || strings.Contains(ls, "9090") {
		t.Errorf("detached:\n%s", ls)
	}
	l.refused(1, "endpoint web/x", "", "detach", "--network", "web", "--endpoint", "x")
}

// Ports are not published twice, nor where a program listens, and a port that is left open is another one then.
func TestPublish(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run("apply", "-f", "testdata/web.yaml")
	l.host.Listen("tcp", "192.0.2.1:9000")
	l.host.Listen("udp", ":9000")
	l.refused(1, "8080/tcp: already published by web/c1", "", "publish", "c2", "8080:80")
	l.refused(1, "9000/tcp: bind: address already in use: another process has the port", "", "publish", "c2", "9001:80", "9000:80")
	l.refused(1, "9000/udp: bind: address already in use", "", "publish", "c2", "9000:80/udp")
	l.refused(1, "192.0.2.77:80/tcp: bind: cannot assign requested address", "", "publish", "c2", "192.0.2.77:80:80")
	l.refused(2, "host port", "", "publish", "c2", "0:80")
	l.refused(2, "ENDPOINT and SPEC are needed", "", "publish", "c2")
	l.refused(1, "there is no endpoint nix in any network", "", "publish", "nix", "80")
	l.refused(1, "there is no endpoint nix/c2", "", "publish", "nix/c2", "80")
	l.refused(2, "standard input:5: publish b/c2: hold 0.0.0.0:9000/tcp: bind: address already in use", `networks:
  - {name: b, ipv4: {subnet: 172.20.0.0/16}}
endpoints:
  - {name: c2, network: b, ipv4: 172.20.0.2, publish: [
      9000:80]}
`, "apply", "-f", "-")
	if out := l.run("publish", "web/c2", "9000-9001:80", "--from", "192.0.2.0/24"); out != "0.0.0.0:9001->80/tcp\n" {
		t.Errorf("published %q", out)
	}
	l.run("publish", "c2", "172.18.0.1:9002:80")
	l.run("unpublish", "c2", "9000-9001:80", "172.18.0.1:9002:80")
	l.refused(1, "file does not exist", "", "unpublish", "c2", "9001:80")

	// A name in two networks has to be said with its network.
	other := `networks: [{name: a, ipv4: {subnet: 172.20.0.0/16}}, {name: b, ipv4: {subnet: 172.21.0.0/16}}]
endpoints: [{name: c, network: a, ipv4: 172.20.0.2}, {name: c, network: b, ipv4: 172.21.0.2}]`
	l.runWith(other, "apply", "-f", "-")
	l.refused(1, "endpoint c is in several networks: say a/c or b/c", "", "publish", "c", "80:80")
	l.run("publish", "b/c", "80:80")
}

// The user's rules, with the words of iptables.
func TestUser(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run("apply", "-f", "testdata/web.yaml")
	user := func(args ...string) string {
		t.Helper()
		return l.run(append([]string{"user"}, args...)...)
	}
	user("new-chain", "--chain", "MINE")
	user("append", "--chain", "MINE", "--", "-m", "comment", "--comment", "two words", "-j", "RETURN")
	user("append", "--", "-j", "MINE")
	user("insert", "--", "-s", "10.0.0.0/8", "-j", "DROP")
	user("insert", "--at", "2", "--", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
	user("append", "-6", "--", "-s", "2001:db8::/32", "-j", "DROP")
	saved := user("save")
	want := `*filter
:DOCKER-USER - [0:0]
:MINE - [0:0]
[0:0] -A DOCKER-USER -s 10.0.0.0/8 -j DROP
[0:0] -A DOCKER-USER -p tcp -m tcp --dport 22 -j ACCEPT
[0:0] -A DOCKER-USER -j MINE
[0:0] -A MINE -m comment --comment "two words" -j RETURN
COMMIT
`
	if saved != want {
		t.Errorf("saved:\n%s\nwant\n%s", saved, want)
	}
	if list := user("list", "-6"); list != "1\t[0:0]\t-s 2001:db8::/32 -j DROP\n" {
		t.Errorf("list -6: %q", list)
	}
	user("delete", "--at", "1")
	user("delete", "--", "-j", "MINE")
	l.refused(1, "", "", "user", "check", "--", "-j", "MINE")
	l.runWith(saved, "user", "restore")
	if again := user("save"); again != saved {
		t.Errorf("restored:\n%s", again)
	}
	l.runWith("*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -s 10.1.0.0/16 -j DROP\nCOMMIT\n", "user", "restore", "--noflush")
	if list := user("list", "--json"); strings.Count(list, `"number"`) != 4 || !strings.Contains(list, `"rule": "-s 10.1.0.0/16 -j DROP"`) {
		t.Errorf("after --noflush: %s", list)
	}
	l.runWith("*filter\nCOMMIT\n", "user", "restore")
	if list := user("list"); list != "" {
		t.Errorf("after an empty file: %s", list)
	}
	l.refused(2, `unknown option "-z"`, "", "user", "append", "--", "-z")
	l.refused(2, "a rule is needed, behind --", "", "user", "append")
	l.refused(2, "a rule or its number, not both", "", "user", "delete", "--at", "1", "--", "-j", "DROP")
	l.refused(2, "takes no rule", "", "user", "list", "--", "-j", "DROP")
	l.refused(2, "one of list, append", "", "user", "add")
	l.refused(2, "--chain is needed", "", "user", "new-chain")
	l.refused(2, "standard input: ", "*filter\nnonsense\n", "user", "restore")
	l.refused(1, "not the user's", "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", "user", "restore")
}

// A layout that iptables lists is shown as iptables does.
func TestShow(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.refused(1, "there is no firewall", "", "show", "--as", "nft")
	l.run("apply", "-f", "testdata/web.yaml")
	if out := l.run("show", "--as", "nft"); !strings.Contains(out, "chain from-br-web {") {
		t.Errorf("as nft:\n%s", out)
	}
	l.refused(1, "layout native has no rules that iptables lists", "", "show", "--as", "iptables")
	l.refused(2, "--as nft, --as iptables or --as json", "", "show", "--as", "xml")
	var out struct{ Tables []shownTable }
	if err := json.Unmarshal([]byte(l.run("show", "--as", "json")), &out); err != nil || len(out.Tables) != 3 {
		t.Errorf("as JSON: %d tables, %v", len(out.Tables), err)
	}
	l.run("down", "--links")
	l.runWith("firewall: {layout: docker-28}\nnetworks: [{name: web, bridge: br-web, ipv4: {subnet: 172.18.0.0/16}}]\n", "apply", "-f", "-")
	shown := l.run("show", "--as", "iptables")
	for _, line := range []string{"# iptables -t filter -S", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER", "-A DOCKER ! -i br-web -o br-web -j DROP", "-A POSTROUTING -s 172.18.0.0/16 ! -o br-web -j MASQUERADE"} {
		if !strings.Contains(shown, line+"\n") {
			t.Errorf("as iptables it lacks %q:\n%s", line, shown)
		}
	}
}

// Every command has help with examples, and bad usage is told from failure.
func TestUsage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	overview := l.run("--help")
	for _, c := range commands() {
		help := l.run(c.name, "--help")
		if !strings.Contains(help, "usage: seawallctl "+c.synopsis) || !strings.Contains(help, "\nExamples:\n  seawallctl ") && c.name != "completion" {
			t.Errorf("%s --help:\n%s", c.name, help)
		}
		if !strings.Contains(overview, c.summary) {
			t.Errorf("--help lacks %s", c.name)
		}
		l.refused(2, "flag provided but not defined: -nonsense\nsee seawallctl "+c.name+" --help", "", c.name, "--nonsense")
	}
	l.refused(2, "there is no command", "")
	l.refused(2, `there is no command "nonsense"`, "", "nonsense")
	l.refused(2, "-f FILE is missing", "", "apply")
	l.refused(1, "no such file", "", "apply", "-f", "/nonexistent")
	l.refused(2, `unexpected ["x"]`, "", "ls", "x")
	l.refused(1, "--netns nix: open /run/netns/nix", "", "ls", "--netns", "nix")
	for shell, check := range map[string][]string{"bash": {"bash", "-n"}, "zsh": nil, "fish": nil} {
		script := l.run("completion", shell)
		for _, c := range commands() {
			if !strings.Contains(script, c.name) {
				t.Errorf("completion %s lacks %s", shell, c.name)
			}
		}
		if check != nil {
			c := exec.Command(check[0], check[1:]...)
			c.Stdin = strings.NewReader(script)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", shell, err, out)
			}
		}
	}
	l.refused(2, "one of bash, zsh, fish is needed", "", "completion", "tcsh")
}

// What is refused leaves nothing behind, on an empty host neither.
func TestRefusedDocuments(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.host.Listen("tcp", ":9000")
	bad := map[string]string{
		"unknown":  "networks: []\nfoo: 1\n",
		"conflict": "networks: [{name: a, ipv4: {subnet: 10.0.0.0/24}}, {name: b, ipv4: {subnet: 10.0.0.0/16}}]\n",
		"rule":     "networks: [{name: a, ipv4: {subnet: 10.0.0.0/24}}]\nuser_rules: {ipv4: [-z]}\n",
		"chain":    "networks: [{name: a, ipv4: {subnet: 10.0.0.0/24}}]\nuser_rules: {ipv4: [-j NIX]}\n",
		"port":     "networks: [{name: a, ipv4: {subnet: 10.0.0.0/24}}]\nendpoints: [{name: c, network: a, ipv4: 10.0.0.2, publish: [9000:80]}]\n",
		"hostile":  "networks: [{name: \"a\\nb\", ipv4: {subnet: 10.0.0.0/24}}]\n",
	}
	for name, text := range bad {
		for _, dry := range [][]string{{"--dry-run"}, nil} {
			r := l.try(text, append([]string{"apply", "-f", "-"}, dry...)...)
			if r.code != 2 || !strings.HasPrefix(r.stderr, "seawallctl: standard input:") {
				if name != "chain" || dry == nil {
					t.Errorf("%s: exit status %d: %s", name, r.code, r.stderr)
				}
			}
			if tables := l.ruleset().Tables(); len(tables) > 0 {
				t.Errorf("%s: %v is left behind", name, tables[0].Ref())
			}
		}
	}
	l.run("apply", "-f", "testdata/web.yaml")
	for name, text := range bad {
		before := l.run("ls")
		g := l.generation()
		if r := l.try("firewall: {forward_policy: drop}\n"+text, "apply", "-f", "-"); r.code != 2 {
			t.Errorf("%s with other options: exit status %d: %s", name, r.code, r.stderr)
		}
		if after := l.run("ls"); after != before {
			t.Errorf("%s with other options: there is\n%s\nand was\n%s (generation %d, was %d)", name, after, before, l.generation(), g)
		}
		if policy := l.listing()["firewall"].(map[string]any)["forward_policy"]; policy != "accept" {
			t.Errorf("%s: the forward policy is %v", name, policy)
		}
	}
	l.runWith("firewall: {forward_policy: drop}\nnetworks: []\n", "apply", "-f", "-")
	if policy := l.listing()["firewall"].(map[string]any)["forward_policy"]; policy != "drop" {
		t.Errorf("the forward policy is %v", policy)
	}
}
