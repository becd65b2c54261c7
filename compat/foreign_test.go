package compat

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// users are commands that a user types while a Docker runs; all of IPv4.
const users = `
	-A DOCKER-USER -s 198.18.0.99/32 -j DROP
	-I DOCKER-USER -s 198.18.0.98/32 -j DROP
	-I FORWARD 1 -s 198.18.0.97/32 -j DROP
	-A FORWARD -s 198.18.0.96/32 -j DROP
	-t nat -A POSTROUTING -s 10.9.9.0/24 -j MASQUERADE
	-N MYCHAIN
	-A DOCKER -j MYCHAIN
	-A DOCKER-FORWARD -s 198.18.0.95/32 -j DROP
`

// typeUsers types the commands for chains that there are, and does to what is
// expected what they do to iptables.
func (w *live) typeUsers(expected listing) {
	w.t.Helper()
	for command := range strings.Lines(users) {
		args := strings.Fields(command)
		if len(args) == 0 {
			continue
		}
		table := expected.table(nft.IPv4, "filter")
		if args[0] == "-t" {
			table = expected.table(nft.IPv4, args[1])
			args = args[2:]
		}
		chain, rule := args[1], "-A "+args[1]+" "+strings.Join(args[2:], " ")
		if strings.HasPrefix(chain, "DOCKER") && !slices.Contains(table.chains, chain) {
			continue
		}
		w.tool("iptables", strings.Fields(command)...)
		switch args[0] {
		case "-N":
			table.chains = append(table.chains, chain)
		case "-I":
			table.rules[chain] = slices.Insert(table.rules[chain], 0, strings.Replace(rule, " 1 ", " ", 1))
		default:
			table.rules[chain] = append(table.rules[chain], rule)
		}
	}
}

// Rules that a user adds while the firewall runs stay where they are, whatever
// comes and goes.
func TestUsersRulesStay(t *testing.T) {
	needTools(t)
	i := slices.IndexFunc(captured, func(s scenario) bool { return s.name == "18-docker-user-before-restart" })
	s := captured[i]
	for _, l := range dockers() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			w := inKernel(t, l, s)
			s.build(w)
			p := onPaper(t, s)
			expected := ofLines(l, p.lines(l), p.host.Disabled, nil)
			w.typeUsers(expected)
			want := expected.String()
			w.check(want, "typed")
			if text, err := os.ReadFile(filepath.Join(*capturesDir, versions[l.name], s.name, "iptables-save")); *capturesDir != "" && err == nil {
				real := listing{}
				if err := real.readSave(nft.IPv4, string(text)); err != nil {
					t.Fatal(err)
				}
				v4, _, _ := strings.Cut(want, "\nip6tables")
				if real.String() != v4 {
					t.Errorf("Docker's is\n%s\nhere it is\n%s", real, v4)
				}
			}
			w.update(func(tx *bridge.Tx) {
				tx.CreateNetwork(n2()).Attach(endpoint("c", "172.30.2.10", "")).Publish(portmap.MustParse("127.0.0.1:9000-9002:80-82"))
			})
			w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("n2") })
			w.check(want, "changed and changed back")
			if err := w.fw.Close(); err != nil {
				t.Error(err)
			}
			w.open()
			w.check(want, "opened again")
		})
	}
}
