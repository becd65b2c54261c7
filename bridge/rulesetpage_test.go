package bridge_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
)

// What rulesets_test.go writes, as Markdown.

const generated = "<!-- Written by `go test ./bridge -run TestRulesets -update`. Do not edit. -->\n\n"

func (s scenario) page(t *testing.T, ruleset, everywhere map[nft.Family]string, lines fateLines) string {
	t.Helper()
	var out strings.Builder
	section := func(title string) { fmt.Fprintf(&out, "\n## %s\n", title) }
	block := func(language, text string) {
		fmt.Fprintf(&out, "\n```%s\n%s\n```\n", language, strings.Trim(dedent(text), "\n"))
	}
	fmt.Fprintf(&out, "%s# %s\n\n%s\n", generated, s.title, wrap(s.about))
	if s.docker != "" {
		section("With Docker")
		block("sh", s.docker)
	}
	if s.update != nil {
		section("With Seawall")
		block("go", dedent(s.open)+"\n"+sourceOf(t, s.update))
	}

	section("Packets")
	inTable := false
	for _, l := range lines {
		switch {
		case l.paragraph != "":
			fmt.Fprintf(&out, "\n%s\n", wrap(l.paragraph))
			inTable = false
			continue
		case !inTable:
			fmt.Fprint(&out, "\n| From | | To | Outcome | Because |\n| --- | --- | --- | --- | --- |\n")
			inTable = true
		}
		words := strings.Fields(l.fate)
		if words[1] == "as" {
			words = append([]string{strings.Join(words[:3], " ")}, words[3:]...)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n",
			words[0], protocols(words[1]), words[2], strings.Join(words[3:], " "), l.reason)
	}

	section("Ruleset")
	families := s.families
	if families == nil {
		families = []nft.Family{nft.IPv4}
	}
	switch {
	case slices.Equal(families, []nft.Family{nft.Bridge}):
		fmt.Fprint(&out, "\nOnly what is about frames: the chains of all hosts, and what two endpoints add.")
	case s.update != nil:
		fmt.Fprint(&out, "\nWithout what [every host](every-host.md) has, and the set of records.")
	}
	if slices.Contains(families, nft.IPv4) && !slices.Contains(families, nft.IPv6) {
		note := "Table `ip6 seawall` is the same with IPv6 addresses."
		if s.ipv6 != "" {
			note = strings.TrimSuffix(note, ".") + "; there, " + quoted.ReplaceAllString(s.ipv6, "`$1`") + "."
		}
		fmt.Fprintf(&out, "\n%s", note)
	}
	fmt.Fprintln(&out)
	whole := ""
	for _, f := range families {
		whole += ruleset[f]
		shown := ruleset[f]
		if s.update != nil && f != nft.Bridge {
			shown = without(shown, everywhere[f])
		}
		block("", strings.ReplaceAll(shown, "\t", "    "))
	}
	checkReasons(t, lines, whole)
	return out.String()
}

// protocols says in which protocols and families a line was probed.
func protocols(words string) string {
	var all []string
	for word := range strings.SplitSeq(words, ",") {
		base := strings.TrimRight(word, "46")
		text := strings.ToUpper(base)
		if base != word {
			text += " in IPv" + word[len(base):]
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// records is where the layout keeps what the next process has to know. No rule asks it.
const records = "set facts {"

// without leaves out the chains and sets of a table's listing that another
// listing has, too.
func without(listing, other string) string {
	blocks := func(text string) []string {
		_, body, _ := strings.Cut(text, "{\n")
		body = strings.TrimSuffix(strings.TrimSpace(body), "}")
		var all []string
		for b := range strings.SplitSeq(strings.TrimSpace(body), "\n\n") {
			all = append(all, strings.TrimSpace(b))
		}
		return all
	}
	known := blocks(other)
	head, _, _ := strings.Cut(listing, "\n")
	var kept []string
	for _, b := range blocks(listing) {
		if !slices.Contains(known, b) && !strings.HasPrefix(b, records) {
			kept = append(kept, "\t"+b+"\n")
		}
	}
	return head + "\n" + strings.Join(kept, "\n") + "}\n"
}

// sourceOf returns the body of a function of a scenario as it is written.
func sourceOf(t *testing.T, f any) string {
	t.Helper()
	function := runtime.FuncForPC(reflect.ValueOf(f).Pointer())
	path, _ := function.FileLine(function.Entry())
	source, err := os.ReadFile(filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	name := function.Name()[strings.LastIndex(function.Name(), ".")+1:]
	for _, d := range file.Decls {
		if fd, ok := d.(*ast.FuncDecl); ok && fd.Name.Name == name {
			body := source[files.Position(fd.Body.Lbrace).Offset+1 : files.Position(fd.Body.Rbrace).Offset]
			body, err := format.Source(bytes.TrimSpace(body))
			if err != nil {
				t.Fatal(err)
			}
			return "fw.Update(ctx, func(tx *bridge.Tx) error {\n\t" +
				strings.ReplaceAll(string(body), "\n", "\n\t") + "\n\treturn nil\n})"
		}
	}
	t.Fatalf("%s has no function %s", path, name)
	return ""
}

func dedent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], "\t"))]
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, indent)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\t\n")
}

// wrap breaks a paragraph into lines.
func wrap(text string) string {
	var out strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > 120:
			out.WriteByte('\n')
			column = 0
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String()
}

func rulesetIndex(all []scenario) string {
	var out strings.Builder
	out.WriteString(generated + "# Rulesets, by scenario\n\n" + wrap(`Each page says how to ask Docker and Seawall for the same,
		what becomes of packets, and the ruleset that decides it. The packets were sent by the test that has written the page, through
		real sockets; the ruleset is what the kernel had then, as nft prints it.`) + "\n\n")
	for _, s := range all {
		fmt.Fprintf(&out, "- [%s](%s.md)\n", s.title, s.name)
	}
	out.WriteString("\n## Names\n\n" + wrap(`Containers answer on ports 80 and 81, ext on 80, and the host on 22. A line without a
		family holds for IPv4 and IPv6. *web sees ext* is an answer of web's, who was asked by the address of ext; *silent* is no answer
		at all; *refused* is a reset, or port unreachable; *unreachable* says that there is no route.`) + `

| Name | |
| --- | --- |
| host | the host by its address on the LAN: 192.0.2.1, 2001:db8:1::1 |
| host2 | its other address there: 192.0.2.3, 2001:db8:1::3 |
| loopback | 127.0.0.1, ::1 |
| gw-NETWORK | the host's address on a network's bridge |
| ext | a neighbour on the LAN, 192.0.2.2 and 2001:db8:1::2, which sends what is for the networks to the host |

`)
	out.WriteString(wrap(`Names of the ruleset: a network on the bridge br-front has the chains from-br-front (what leaves it),
		to-br-front (what enters it), guard-br-front (what must not enter it by an endpoint's own address), and nat-from-br-front and
		nat-to-br-front. ARCHITECTURE.md follows packets through them.`) + "\n")
	return out.String()
}
