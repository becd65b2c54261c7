package main

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// A screen shows a report as it comes about. Write errors stick to the Writer, whose Flush returns them.
type screen struct {
	*bufio.Writer
	colour bool
}

const (
	bold, dim          = "1", "2"
	red, green, yellow = "31", "32", "33"
)

// colours says how an outcome is shown.
var colours = map[string]string{"delivered": green, "refused": yellow, "silent": red}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil && os.Getenv("TERM") != "dumb"
}

func (s *screen) paint(colour, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (s *screen) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

func (s *screen) heading(text string) { s.line("\n%s\n", s.paint(bold, text)) }

func (s *screen) welcome() {
	s.line("%s: Docker's bridge firewall on nftables, as a Go library.", s.paint(bold, "Seawall"))
	s.line("A host, a laptop on its LAN and three containers: each is a network namespace of this program,")
	s.line("which goes with it. The kernel's rules are real, and so is every packet.")
	_ = s.Flush()
}

func (s *screen) world(r *report) {
	s.heading("THE WORLD")
	s.line("  laptop          %-15s %s", r.Laptop.IPv4, r.Laptop.IPv6)
	s.line("    │")
	s.line("  host            %-15s %s", r.Host.IPv4, r.Host.IPv6)
	for i, n := range r.Networks {
		branch, stem := "├─", "│ "
		if i == len(r.Networks)-1 {
			branch, stem = "└─", "  "
		}
		s.line("    %s %-10s %-15s %-15s %s", branch, n.Name, n.IPv4, n.IPv6, n.Bridge)
		var inside []container
		for _, c := range r.Containers {
			if c.Network == n.Name {
				inside = append(inside, c)
			}
		}
		for i, c := range inside {
			twig := "├─"
			if i == len(inside)-1 {
				twig = "└─"
			}
			note := ""
			if len(c.Publishes) > 0 {
				note = "publishes " + strings.Join(c.Publishes, ", ")
			}
			text := fmt.Sprintf("    %s %s %-7s %-15s %-15s %s", stem, twig, c.Name, c.IPv4, c.IPv6, s.paint(bold, note))
			s.line("%s", strings.TrimRight(text, " "))
		}
	}
	_ = s.Flush()
}

func (s *screen) before(r *report) {
	s.heading("BEFORE: who gets a web page from whom")
	s.line("  The addresses are the visitors', as the web server saw them. host:8080 is published and leads")
	s.line("  to shop:80, for everybody, also for the shop itself. Other than that, containers can be reached")
	s.line("  by their own network and their own host. host:9000 is a port that nobody has to do with.\n")
	s.table(r.Phases[0].Probes, nil)
	_ = s.Flush()
}

func (s *screen) withRule(r *report) {
	s.heading("WITH A RULE IN DOCKER-USER, which is asked first")
	for _, f := range families {
		s.line("  %s", strings.TrimSpace(r.UserRules[f.String()]))
	}
	s.line("")
	s.table(r.Phases[1].Probes, r.Phases[0].Probes)
	_ = s.Flush()
}

func (s *screen) after(r *report) {
	s.heading("AFTER: the rule is deleted")
	s.table(r.Phases[2].Probes, r.Phases[1].Probes)

	s.heading("THE RULESET, as read from the kernel while the rule was there")
	s.WriteString(indent(r.Ruleset["ip"]))
	s.line(s.paint(dim, "  table ip6 seawall is its twin, with IPv6 addresses; -json prints it, too."))
	_ = s.Flush()
}

// indent makes nft's tabs narrow, and keeps the elements of a set below each other.
func indent(ruleset string) string {
	const elements = "    elements = { "
	return "  " + strings.NewReplacer(
		"\n\t\t\t     ", "\n  "+strings.Repeat(" ", len(elements)), "\n\t\t", "\n      ", "\n\t", "\n    ", "\n}\n", "\n  }\n",
	).Replace(ruleset)
}

func (s *screen) end(r *report) {
	s.heading("THE TRANSACTIONS, each all or nothing, for IPv4 and IPv6 together")
	s.line("  %s", s.paint(dim, fmt.Sprintf("%-28s %9s %9s %9s %9s", "", "objects", "messages", "bytes", "µs")))
	for _, t := range r.Transactions {
		s.line("  %-28s %9d %9d %9d %9d", t.Step, t.Objects, t.Messages, t.Bytes, t.Duration/time.Microsecond)
	}
	s.heading("TORN DOWN")
	if len(r.LeftBehind) == 0 {
		s.line("  The host has no tables, links or forwarding that it did not have before. Nothing is left.")
	} else {
		s.line("  Left behind: %s", s.paint(red, strings.Join(r.LeftBehind, ", ")))
	}
	_ = s.Flush()
}

// Columns of a table: who calls, and one for each address called.
const nameWidth, cellWidth = 9, 16

// table shows probes: a row for each caller, with a line for each family. Rows that are as they were before are left
// out.
func (s *screen) table(probes, before []probe) {
	var callers, called []string
	for _, p := range probes {
		if !slices.Contains(callers, p.From) {
			callers = append(callers, p.From)
		}
		if !slices.Contains(called, p.To) {
			called = append(called, p.To)
		}
	}
	s.line("  %s", s.paint(dim, row("from", called)))
	omitted := false
	for _, from := range callers {
		if before != nil && slices.Equal(by(from, probes), by(from, before)) {
			omitted = true
			continue
		}
		label := from
		for _, family := range []string{"ipv4", "ipv6"} {
			cells := make([]string, len(called))
			for i, to := range called {
				cells[i] = s.cell(from, to, family, probes)
			}
			s.line("  %s", row(label, cells))
			label = ""
		}
	}
	if omitted {
		s.line("  %s", s.paint(dim, "all others as before"))
	}
}

func by(from string, probes []probe) []probe {
	return slices.DeleteFunc(slices.Clone(probes), func(p probe) bool { return p.From != from })
}

// cell is what became of one probe: the address that arrived, or the outcome. It is padded before it is painted, since
// colours have no width.
func (s *screen) cell(from, to, family string, probes []probe) string {
	for _, p := range probes {
		if p.From == from && p.To == to && p.Family == family {
			text := p.Outcome
			if p.Outcome == "delivered" {
				text = "✓ " + p.Source.String()
			}
			return s.paint(colours[p.Outcome], pad(text, cellWidth))
		}
	}
	return pad("", cellWidth) // itself
}

func row(label string, cells []string) string {
	out := pad(label, nameWidth)
	for _, c := range cells {
		out += pad(c, cellWidth)
	}
	return strings.TrimRight(out, " ")
}

// pad appends spaces up to a width in characters.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
