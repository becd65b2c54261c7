package document_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/examples/seawallctl/document"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// parse parses a document and asks for its facts.
func parse(text string) (*document.Document, *bridge.View, error) {
	d, err := document.Parse("f.yaml", strings.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	v, err := d.Facts()
	return d, v, err
}

func full(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every key is read, into its place.
func TestEveryKey(t *testing.T) {
	d, v, err := parse(full(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := (bridge.DropLog{Group: 7, Rate: 10}); d.Host.LogDrops == nil || *d.Host.LogDrops != want || !d.Accounting {
		t.Errorf("firewall: %+v", d)
	}
	d.Host.LogDrops = nil
	if want := (bridge.Host{UserlandProxy: true, AllowDirectRouting: true, DropForward: true, WSL2Mirrored: true}); d.Layout != "native" || d.Host != want {
		t.Errorf("firewall: %s %+v", d.Layout, d.Host)
	}
	web := v.Network("web").Spec
	want := bridge.NetworkSpec{
		Name: "web", Bridge: "br-web", MTU: 1500, IfPrefix: "net",
		IPv4:       bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/16"), Address: netip.MustParseAddr("172.18.0.1"), SNAT: netip.MustParseAddr("192.0.2.7"), HostBinding: netip.MustParseAddr("192.0.2.1")},
		IPv6:       bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64"), Address: netip.MustParseAddr("fd00:18::1"), Mode: bridge.Routed, ExplicitOnly: true},
		DisableICC: true, DisableHostAccess: true, RandomMasquerade: true,
		TrustedInterfaces: []string{"eth0", "eth1"}, AcceptFwmark: bridge.Fwmark{Value: 1, Mask: 3},
	}
	if !slices.Equal(web.TrustedInterfaces, want.TrustedInterfaces) {
		t.Errorf("trusted interfaces: %q", web.TrustedInterfaces)
	}
	web.TrustedInterfaces, want.TrustedInterfaces = nil, nil
	if got := document.ListNetwork(&bridge.Network{Spec: web}); web.IPv4 != want.IPv4 || web.IPv6 != want.IPv6 || got.DisableICC != want.DisableICC ||
		web.MTU != want.MTU || web.IfPrefix != want.IfPrefix || !web.DisableHostAccess || !web.RandomMasquerade || web.AcceptFwmark != want.AcceptFwmark {
		t.Errorf("network: %+v, want %+v", web, want)
	}
	if seven := v.Network("7").Spec; !seven.DisableICC || seven.MTU != 1400 {
		t.Errorf("options: %+v", seven)
	}
	c1 := v.Endpoint("web", "c1")
	if s := c1.Spec; s.IPv4.String() != "172.18.0.2" || s.IPv6.String() != "fd00:18::2" || s.MAC.String() != "02:42:ac:12:00:07" || s.HostIfName != "veth-c1" || !s.AllowSpoofing {
		t.Errorf("endpoint: %+v", s)
	}
	var published []portmap.Binding
	for b := range v.Bindings(c1) {
		published = append(published, b.Port)
		if b.Port == portmap.MustParse("8090:90") && (len(b.Scope().From) != 1 || b.Scope().Interface != "eth0") {
			t.Errorf("scope: %+v", b.Scope())
		}
	}
	for _, spec := range []string{"8080:80", "127.0.0.1:8081:81", "198.18.0.2:5353:53/udp", "9000-9009:9000-9009", "70:70", "8090:90", "81"} {
		if !slices.Contains(published, portmap.MustParse(spec)) {
			t.Errorf("%s is not published: %v", spec, published)
		}
	}
	links := 0
	for range v.Links(c1) {
		links++
	}
	if links != 2 {
		t.Errorf("%d links", links)
	}
	rules := document.Lines(d.UserRules[nft.IPv4].Save)
	if want := []string{"-N MINE", "-A MINE -s 10.0.0.0/8 -j RETURN", "! -s 192.168.1.0/24 -i eth0 -j MINE", `-m comment --comment "two words" -j DROP`}; !slices.Equal(rules, want) {
		t.Errorf("user rules: %q", rules)
	}
	if six := d.UserRules[nft.IPv6]; six == nil || len(document.Lines(six.Save)) != 0 {
		t.Errorf("user rules of IPv6: %v", six)
	}
}

// What is listed is read again, and asks for the same.
func TestListingIsADocument(t *testing.T) {
	d, v, err := parse(full(t))
	if err != nil {
		t.Fatal(err)
	}
	list := func(d *document.Document, v *bridge.View) string {
		var out bytes.Buffer
		l := document.List(d.Layout, &d.Host, v, document.Counted{
			Network: func(*bridge.Network) any { return map[string]int{"packets": 1} },
			Binding: func(*bridge.Binding) any { return map[string]int{"flows": 2} },
		})
		l.Generation, l.Counters = 5, "some"
		if err := l.Write(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first := list(d, v)
	d, v, err = parse(first)
	if err != nil {
		t.Fatalf("%v\n%s", err, first)
	}
	if again := list(d, v); again != first {
		t.Errorf("listed again it is\n%s\nand was\n%s", again, first)
	}
	if _, _, err := parse(strings.ReplaceAll(first, "  ", "\t")); err != nil {
		t.Errorf("with tabs: %v", err)
	}
}

const network = "networks: [{name: web, ipv4: {subnet: 172.18.0.0/16}}]\n"

// What is wrong is refused with file, line and reason.
func TestRefusals(t *testing.T) {
	endpoint := func(rest string) string {
		return network + "endpoints:\n  - name: c1\n    network: web\n    ipv4: 172.18.0.2\n" + rest
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":          {"", "f.yaml: is empty: a firewall without networks is networks: []"},
		"a comment":        {"# nothing\n", "f.yaml: is empty: a firewall without networks is networks: []"},
		"null":             {"---\n", "f.yaml: is empty: a firewall without networks is networks: []"},
		"a list":           {"[]", `f.yaml:1: the document must be a mapping, and is a list`},
		"two documents":    {"networks: []\n---\nnetworks: []\n", "f.yaml:2: a second document: there can be one only"},
		"no YAML":          {"networks: [\n", "f.yaml:1: did not find expected node content"},
		"JSON cut off":     {"{\"networks\": [{\"name\": \"web\"", "f.yaml:1: did not find expected ',' or '}'"},
		"unknown key":      {"networks: []\nnetwork: []\n", `f.yaml:2: the document: unknown key "network": there are counters, endpoints, firewall, generation, ingress, networks, user_rules`},
		"twice":            {"networks: []\nendpoints: []\nnetworks: []\n", "f.yaml:3: the document: networks is there twice, in line 1 too"},
		"an alias":         {"networks: &a []\nendpoints: *a\n", "f.yaml:2: endpoints must be a list, and is an alias, which is not understood here"},
		"empty value":      {"networks:\n", "f.yaml:1: networks must be a list, and is empty"},
		"ingress":          {"ingress:\n  - {publish: \"8080:80/tcp\", to: 172.19.0.2}\n", "f.yaml:2: ingress: this version publishes no services: leave it empty"},
		"layout":           {"firewall:\n  layout: docker-30\n", `f.yaml:2: firewall: layout: `},
		"policy":           {"firewall: {forward_policy: reject}\n", `f.yaml:1: firewall: forward_policy: "reject": must be accept or drop`},
		"drop log":         {"firewall:\n  log_drops: {group: 65536}\n", `f.yaml:2: firewall: log_drops: a group is 0 to 65535, and a rate a number of packets a second`},
		"yes":              {"firewall:\n  ipv6: yes please\n", `f.yaml:2: firewall: ipv6 must be true or false, and is "yes please"`},
		"no name":          {"networks:\n  - bridge: br0\n", "f.yaml:2: network: name is missing"},
		"no family":        {"networks:\n  - bridge: br0\n    name: web\n", "f.yaml:2: network web: ipv4.subnet: is missing, and IPv6.Subnet too: a network needs one of them"},
		"no subnet":        {"networks:\n  - name: web\n    ipv4: {mode: nat}\n", "f.yaml:3: network web: ipv4: subnet is missing"},
		"subnet":           {"networks:\n  - name: web\n    ipv4:\n      subnet: 172.18.0.0\n", `f.yaml:4: network web: ipv4.subnet: "172.18.0.0" is not a subnet such as 172.18.0.0/16`},
		"mode":             {"networks:\n  - name: web\n    ipv4: {subnet: 172.18.0.0/16, mode: bridged}\n", `f.yaml:3: network web: ipv4.mode: "bridged": must be nat, nat-unprotected, routed or isolated`},
		"mtu":              {"networks:\n  - name: web\n    ipv4: {subnet: 172.18.0.0/16}\n    mtu: big\n", `f.yaml:4: network: mtu must be a number, and is "big"`},
		"small mtu":        {"networks:\n  - name: web\n    ipv4: {subnet: 172.18.0.0/16}\n    mtu: 60\n", `f.yaml:4: network web: mtu: 60: must be 68 to 65535, and at least 1280 with IPv6`},
		"fwmark":           {"networks:\n  - name: web\n    ipv4: {subnet: 172.18.0.0/16}\n    accept_fwmark: 0x1/\n", `f.yaml:4: network: accept_fwmark: `},
		"snat on routed":   {"networks:\n  - name: web\n    ipv4:\n      subnet: 172.18.0.0/16\n      mode: routed\n      snat: 192.0.2.1\n", `f.yaml:6: network web: ipv4.snat: `},
		"option":           {"networks:\n  - name: web\n    ipv4: {subnet: 172.18.0.0/16}\n    options:\n      com.docker.network.bridge.nmae: x\n", `f.yaml:5: network web: com.docker.network.bridge.nmae: is not an option of Docker's bridge networks`},
		"overlap":          {network[:len(network)-2] + ",\n  {name: b, ipv4: {subnet: 172.18.1.0/24}}]\n", `f.yaml:2: network b: ipv4.subnet: 172.18.1.0/24 overlaps 172.18.0.0/16 of network web`},
		"network twice":    {network[:len(network)-2] + ",\n  {name: web, ipv4: {subnet: 172.19.1.0/24}}]\n", `f.yaml:2: create network web: file already exists`},
		"no such network":  {"endpoints:\n  - name: c1\n    ipv4: 10.0.0.1\n    network: web\n", `f.yaml:4: endpoint c1: there is no network web`},
		"endpoint outside": {network + "endpoints:\n  - name: c1\n    network: web\n    ipv4: 10.0.0.1\n", `f.yaml:5: endpoint web/c1: ipv4: `},
		"address":          {network + "endpoints:\n  - name: c1\n    network: web\n    ipv4: 172.18.0.300\n", `f.yaml:5: endpoint: ipv4: "172.18.0.300" is not an IP address`},
		"mac":              {endpoint("    mac: 01:00:00:00:00:01\n"), `f.yaml:6: endpoint web/c1: mac: 01:00:00:00:00:01 is not a unicast Ethernet address`},
		"binding":          {endpoint("    publish:\n      - 8080:80\n      - 0:80\n"), `f.yaml:8: publish: portmap: "0:80": host port "0": must be 1-65535 (leave it out for a free port of the system's choice)`},
		"conflict":         {endpoint("    publish:\n      - 8080:80\n      - 8080:81\n"), `f.yaml:8: publish web/c1: portmap: 0.0.0.0:8080/tcp: already published by web/c1`},
		"scope":            {endpoint("    publish:\n      - {spec: \"80:80\", from: [192.0.2.1/24]}\n"), `f.yaml:7: publish web/c1: `},
		"no spec":          {endpoint("    publish:\n      - {from: [192.0.2.0/24]}\n"), `f.yaml:7: publish: spec is missing`},
		"family":           {endpoint("    publish:\n      - \"[::1]:80:80\"\n"), `f.yaml:7: publish web/c1: `},
		"link to nobody":   {endpoint("    links:\n      - {to: c2, ports: [80]}\n"), `f.yaml:7: endpoint web/c2: file does not exist`},
		"link port":        {endpoint("    links:\n      - {to: c2, ports: [\"80:80\"]}\n"), `f.yaml:7: link: ports: `},
		"user rule":        {"user_rules:\n  ipv4:\n    - -j DROP\n    - -z\n", `f.yaml:4: user rule: word 1: unknown option "-z"`},
		"user family":      {"user_rules:\n  ipv4:\n    - -s fe80::1 -j DROP\n", `f.yaml:3: user rule: `},
		"user chain":       {"user_rules:\n  ipv4:\n    - -A MINE -j DROP\n", `f.yaml:3: user rule: there is no chain MINE: make it by a line "-N MINE" above`},
		"unused chain":     {"user_rules:\n  ipv4:\n    - -N MINE\n", `f.yaml:3: user rule: nothing in DOCKER-USER leads to chain MINE`},
		"user rules off":   {"firewall: {ipv6: false}\nuser_rules:\n  ipv6: [-j DROP]\n", `f.yaml:3: chain ip6 seawall DOCKER-USER: the family is disabled: nothing would look at its rules`},
		"no DOCKER-USER":   {"firewall: {layout: docker-1.9}\nuser_rules:\n  ipv4: [-j DROP]\n", `f.yaml:3: user chain of layout docker-1.9, family ip: the layout has none`},
		"too new":          {"firewall: {layout: docker-1.9}\nnetworks:\n  - {name: a, ipv6: {subnet: \"fd00::/64\"}}\n", `f.yaml:3: `},
	} {
		_, _, err := parse(c.text)
		open := strings.HasSuffix(c.want, ": ") // the library's own words follow
		if err == nil || open && !strings.HasPrefix(err.Error(), c.want) || !open && err.Error() != c.want {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
		if bad := (*document.Error)(nil); !errors.As(err, &bad) {
			t.Errorf("%s: %T", name, err)
		}
	}
}

// Hostile names are refused, wherever they stand.
func TestHostileNames(t *testing.T) {
	for _, name := range []string{`""`, `"a b"`, `"a\"b"`, `"'"`, `"*"`, `"a\nb"`, `"a\0b"`, `"../x"`, `"a/b"`, `"-x"`, `"ä"`, `"\x1b[31m"`, `"a;b"`, `"$(id)"`, `"` + strings.Repeat("x", 129) + `"`} {
		for what, text := range map[string]string{
			"network":   "networks:\n  - {name: " + name + ", ipv4: {subnet: 172.18.0.0/16}}\n",
			"endpoint":  network + "endpoints:\n  - {name: " + name + ", network: web, ipv4: 172.18.0.2}\n",
			"interface": network + "endpoints:\n  - {name: c1, network: web, ipv4: 172.18.0.2, publish: [{spec: \"80:80\", interface: " + name + "}]}\n",
			"trusted":   "networks:\n  - {name: web, ipv4: {subnet: 172.18.0.0/16}, trusted_interfaces: [" + name + "]}\n",
			"veth":      network + "endpoints:\n  - {name: c1, network: web, ipv4: 172.18.0.2, host_interface: " + name + "}\n",
			"bridge":    "networks:\n  - {name: web, bridge: " + name + ", ipv4: {subnet: 172.18.0.0/16}}\n",
		} {
			if name == `""` && what != "network" && what != "endpoint" && what != "trusted" {
				continue // the default
			}
			_, _, err := parse(text)
			line := strings.Count(text, "\n")
			switch {
			case err == nil:
				t.Errorf("%s %s is accepted", what, name)
			case !strings.HasPrefix(err.Error(), fmt.Sprintf("f.yaml:%d: ", line)):
				t.Errorf("%s %s: %v", what, name, err)
			case strings.ContainsAny(err.Error(), "\x00\x1b\n"):
				t.Errorf("%s %s: the error has it raw: %q", what, name, err)
			}
		}
	}
	for _, name := range []string{"br-0123456789abc", "lo x", "."} {
		if _, _, err := parse("networks: [{name: web, bridge: \"" + name + "\", ipv4: {subnet: 172.18.0.0/16}}]"); err == nil {
			t.Errorf("bridge %q is accepted", name)
		}
	}
}

// Whatever the input, there is a document whose listing asks for the same, or an error with its place.
func FuzzDocument(f *testing.F) {
	f.Add(full(f))
	f.Add(network)
	f.Add("{}")
	f.Add("networks: [{name: a, options: {x: y}}]")
	f.Add("user_rules: {ipv4: [-N X, -A X -j X, -j X]}")
	f.Fuzz(func(t *testing.T, text string) {
		d, v, err := parse(text)
		if err != nil {
			if bad := (*document.Error)(nil); !errors.As(err, &bad) || bad.Reason == "" || bad.Line < 0 || bad.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+strings.Count(text, "\u0085")+strings.Count(text, "\u2028")+strings.Count(text, "\u2029")+1 {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		var out bytes.Buffer
		if err := document.List(d.Layout, &d.Host, v, document.Counted{}).Write(&out); err != nil {
			t.Fatal(err)
		}
		if _, _, err := parse(out.String()); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
	})
}
