package compat

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

// docsPage is written by TestDocs -update.
const docsPage = "../docs/compat.md"

// docs/compat.md says what the modules' tables of options say. After a change:
// go test ./compat -run TestDocs -update
func TestDocs(t *testing.T) {
	page := docsText(t)
	if *update && !t.Failed() {
		if err := os.WriteFile(docsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	want, got := strings.Split(page, "\n"), strings.Split(string(old), "\n")
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Fatalf("%s is not current, from line %d; to write it: go test ./compat -run TestDocs -update", docsPage, i+1)
		}
	}
}

// The examples say what a module is for, and show by what it is compiled: an
// asterisk stands before those for IPv6 only.
var docsExamples = map[string][]string{
	"addrtype":   {"-m addrtype --dst-type LOCAL", "-m addrtype --dst-type LOCAL --limit-iface-in"},
	"ah":         {"-p ah -m ah --ahspi 500:600", "*-m ah --ahspi 500 --ahres"},
	"comment":    {`-m comment --comment "web servers"`},
	"connbytes":  {"-m connbytes --connbytes 1000000: --connbytes-mode bytes --connbytes-dir both"},
	"connlimit":  {"-p tcp -m connlimit --connlimit-above 50 --connlimit-mask 24"},
	"connmark":   {"-m connmark --mark 0x1/0xff"},
	"conntrack":  {"-m conntrack --ctstate RELATED,ESTABLISHED", "-m conntrack --ctorigdst 192.0.2.1 --ctexpire 5:9", "-p tcp -m conntrack --ctorigdstport 8080"},
	"cpu":        {"-m cpu --cpu 0"},
	"dccp":       {"-p dccp -m dccp --dport 80 --dccp-types REQUEST"},
	"devgroup":   {"-m devgroup --src-group 0x10/0xf0", "-m devgroup --src-group 0x1f/0xf0"},
	"dscp":       {"-m dscp --dscp-class EF"},
	"dst":        {"*-m dst --dst-opts 201:16"},
	"ecn":        {"-p tcp -m ecn --ecn-tcp-ece"},
	"esp":        {"-p esp -m esp --espspi 500"},
	"eui64":      {"*-m eui64"},
	"frag":       {"*-m frag --fragfirst --fragmore"},
	"hashlimit":  {"-m hashlimit --hashlimit-above 10/sec --hashlimit-mode srcip --hashlimit-name web"},
	"hbh":        {"*-m hbh --hbh-opts 5:2"},
	"helper":     {"-m helper --helper ftp"},
	"hl":         {"*-m hl --hl-eq 255"},
	"icmp":       {"-p icmp -m icmp --icmp-type echo-request"},
	"icmp6":      {"*-p ipv6-icmp -m icmp6 --icmpv6-type echo-request"},
	"iprange":    {"-m iprange --src-range 192.0.2.10-192.0.2.20"},
	"ipv6header": {"*-m ipv6header --header frag --soft"},
	"length":     {"-m length --length 1000:"},
	"limit":      {"-m limit --limit 5/min --limit-burst 10"},
	"mac":        {"-m mac --mac-source 02:42:ac:11:00:02"},
	"mark":       {"-m mark --mark 0x1/0xff", "-m mark --mark 0x3/0x1"},
	"multiport":  {"-p tcp -m multiport --dports 80,443", "-p tcp -m multiport --dports 80", "-p tcp -m multiport --ports 80,443"},
	"owner":      {"-m owner --uid-owner 1000"},
	"physdev":    {"-m physdev --physdev-in veth0 --physdev-is-bridged"},
	"pkttype":    {"-m pkttype --pkt-type multicast"},
	"policy":     {"-m policy --dir in --pol ipsec --proto esp"},
	"quota":      {"-m quota --quota 1000000"},
	"realm":      {"-m realm --realm 0x5"},
	"recent":     {"-m recent --name seen --rcheck --seconds 60 --hitcount 4"},
	"rt":         {"*-m rt --rt-type 0 --rt-segsleft 1:"},
	"sctp":       {"-p sctp -m sctp --dport 80", "-p sctp -m sctp --chunk-types any INIT"},
	"set":        {"-m set --match-set blocked src"},
	"state":      {"-m state --state RELATED,ESTABLISHED"},
	"statistic":  {"-m statistic --mode random --probability 0.1"},
	"string":     {"-m string --string secret --algo bm"},
	"tcp":        {"-p tcp -m tcp --dport 80 --syn", "-p tcp -m tcp --tcp-option 8"},
	"tcpmss":     {"-p tcp -m tcpmss --mss 0:535"},
	"time":       {"-m time --timestart 08:00 --timestop 18:00 --weekdays Mon,Tue,Wed,Thu,Fri"},
	"tos":        {"-m tos --tos 0x10/0x3f"},
	"ttl":        {"-m ttl --ttl-lt 5"},
	"u32":        {`-m u32 --u32 "6&0xff=1"`},
	"udp":        {"-p udp -m udp --dport 53"},

	"AUDIT":      {"-j AUDIT --type drop"},
	"CONNMARK":   {"-j CONNMARK --restore-mark"},
	"DNAT":       {"-p tcp -j DNAT --to-destination 172.17.0.2:80"},
	"LOG":        {`-j LOG --log-prefix "dropped: "`},
	"MARK":       {"-j MARK --set-mark 0x1"},
	"MASQUERADE": {"-j MASQUERADE"},
	"NFLOG":      {"-j NFLOG --nflog-group 5"},
	"NFQUEUE":    {"-j NFQUEUE --queue-num 3 --queue-bypass"},
	"REDIRECT":   {"-p tcp -j REDIRECT --to-ports 8080"},
	"REJECT":     {"-p tcp -j REJECT --reject-with tcp-reset"},
	"SET":        {"-j SET --add-set blocked src"},
	"SNAT":       {"-j SNAT --to-source 192.0.2.1"},
	"TCPMSS":     {"-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu"},
	"TEE":        {"-j TEE --gateway 192.0.2.9"},
}

// docsForm tells by what a module is compiled in tables of our own.
func docsForm(t *testing.T, m *iptables.Module) string {
	t.Helper()
	native, xt := false, false
	for _, text := range docsExamples[m.Name] {
		ctx := iptables.Context{Family: nft.IPv4}
		if text, ctx.Family = docsExample(text); m.Family != 0 && m.Family != ctx.Family {
			continue
		}
		if m.Tables != nil {
			ctx.Table = m.Tables[0]
		}
		r, err := iptables.ParseText(ctx, text)
		if err != nil {
			t.Errorf("example of %s: %v", m.Name, err)
			continue
		}
		statements, _, err := r.Statements(nft.TableRef{Family: ctx.Family, Name: "seawall"}.Chain("user"))
		if err != nil && m.Tables != nil {
			return "no: iptables' own tables only"
		}
		isXT := err != nil // sets of ipset must exist
		for _, s := range statements {
			x, ok := s.(nft.XT)
			isXT = isXT || ok && x.Target == m.Target
		}
		native, xt = native || !isXT, xt || isXT
	}
	switch {
	case native && xt:
		return "native where exact, or xt"
	case native:
		return "native"
	case xt:
		return "xt"
	}
	t.Errorf("module %s has no example in its family: add one to docsExamples", m.Name)
	return ""
}

// docsExample takes the mark for IPv6 off an example.
func docsExample(text string) (string, nft.Family) {
	if rest, ok := strings.CutPrefix(text, "*"); ok {
		return rest, nft.IPv6
	}
	return text, nft.IPv4
}

func docsText(t *testing.T) string {
	var out strings.Builder
	out.WriteString(docsLayouts)
	for _, name := range LayoutNames() {
		if !strings.Contains(docsLayouts, "| `"+name+"` |") {
			t.Errorf("layout %s is not in the table of layouts", name)
		}
	}
	out.WriteString(docsRules)
	docsOptions(&out, iptables.BaseOptions())
	out.WriteString(docsModules)
	for _, target := range []bool{false, true} {
		title, dash := "Matches", "-m"
		if target {
			title, dash = "Targets", "-j"
		}
		modules := slices.DeleteFunc(iptables.Modules(), func(m *iptables.Module) bool { return m.Target != target })
		fmt.Fprintf(&out, "\n## %s\n\n| | Families | Needs | Where | Native layout |\n| --- | --- | --- | --- | --- |\n", title)
		for _, m := range modules {
			fmt.Fprintf(&out, "| [%s](#%s) | %s | %s | %s | %s |\n", m.Name, docsAnchor(m), docsFamilies(m.Family), docsProtocols(m), docsPlace(m.Tables, m.Hooks), docsForm(t, m))
		}
		for _, m := range modules {
			fmt.Fprintf(&out, "\n### <a id=\"%s\"></a>%s %s%s\n", docsAnchor(m), dash, m.Name, docsOnly(m.Family))
			for _, text := range docsExamples[m.Name] {
				if text, family := docsExample(text); m.Family == 0 || m.Family == family {
					fmt.Fprintf(&out, "\n    %s\n", text)
					break
				}
			}
			docsOptions(&out, m.Options)
			if len(m.OneOf) > 0 {
				fmt.Fprintf(&out, "\nAt least one of `--%s`.\n", strings.Join(m.OneOf, "`, `--"))
			}
		}
	}
	out.WriteString(docsElsewhere)
	for _, e := range iptables.Elsewheres() {
		dash := "-m"
		if e.Target {
			dash = "-j"
		}
		fmt.Fprintf(&out, "| `%s %s` | %s | %s |\n", dash, e.Name, docsFamilies(e.Family), docsPlace(e.Tables, e.Hooks))
	}
	return out.String()
}

func docsAnchor(m *iptables.Module) string {
	name := m.Name
	if m.Target {
		name = "target-" + name
	}
	if m.Name == "ah" && m.Family == nft.IPv6 {
		name += "-ipv6" // the only name that means different things
	}
	return strings.ToLower(name)
}

func docsFamilies(f nft.Family) string {
	switch f {
	case nft.IPv4:
		return "IPv4"
	case nft.IPv6:
		return "IPv6"
	}
	return "both"
}

func docsOnly(f nft.Family) string {
	if f == 0 {
		return ""
	}
	return " (" + docsFamilies(f) + ")"
}

func docsProtocols(m *iptables.Module) string {
	var names []string
	for _, p := range m.Protocols {
		names = append(names, "`-p "+nft.L4Proto(p).String()+"`")
	}
	return strings.Join(names, " or ")
}

func docsPlace(tables []string, hooks []nft.Hook) string {
	var parts []string
	if len(tables) > 0 {
		parts = append(parts, "table "+strings.Join(tables, ", "))
	}
	var names []string
	for _, h := range hooks {
		names = append(names, h.String())
	}
	if names != nil {
		parts = append(parts, "hook "+strings.Join(names, ", "))
	}
	return strings.Join(parts, "; ")
}

// docsOptions writes a table of options.
func docsOptions(out *strings.Builder, options []iptables.Option) {
	if len(options) == 0 {
		fmt.Fprint(out, "\nNo options.\n")
		return
	}
	fmt.Fprint(out, "\n| Option | Value | |\n| --- | --- | --- |\n")
	for _, o := range options {
		names := []string{"--" + o.Name}
		for _, a := range o.Aliases {
			names = append(names, "--"+a)
		}
		if o.Short != 0 {
			names = append([]string{"-" + string(rune(o.Short))}, names...)
		}
		for i, n := range names {
			names[i] = "`" + n + "`"
		}
		if o.Invert {
			names[0] = "`[!]` " + names[0]
		}
		value := strings.ReplaceAll(o.Value, "|", "\\|")
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", strings.Join(names, ", "), value, strings.Join(docsNotes(o), "; "))
	}
}

// docsNotes say what must be known about an option.
func docsNotes(o iptables.Option) []string {
	var notes []string
	switch {
	case o.Kind == iptables.KindNumber && o.Max != 0, o.Kind == iptables.KindFloat:
		notes = append(notes, fmt.Sprintf("%d to %d", o.Min, o.Max))
	case o.Kind == iptables.KindNumber && o.Min != 0:
		notes = append(notes, fmt.Sprintf("at least %d", o.Min))
	case o.Kind == iptables.KindRange && o.Max != 0:
		notes = append(notes, fmt.Sprintf("at most %d", o.Max))
	case o.Kind == iptables.KindText && o.Max != 0:
		notes = append(notes, fmt.Sprintf("at most %d bytes", o.Max))
	}
	if o.Required {
		notes = append(notes, "required")
	}
	if o.Multi {
		notes = append(notes, "may be repeated")
	}
	if len(o.Also) > 0 {
		notes = append(notes, "needs `--"+strings.Join(o.Also, "`, `--")+"`")
	}
	if len(o.Excludes) > 0 {
		notes = append(notes, "not with `--"+strings.Join(o.Excludes, "`, `--")+"`")
	}
	return notes
}
