package compat

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

// userChain is the chain of the user's rules in table filter.
const userChain = "DOCKER-USER"

// Docker19 is the rules of Docker until the end of 2015, as 1.9 made them: chain
// DOCKER, and networks are kept from each other by their subnets in FORWARD.
// There is no DOCKER-USER. It needs a rule for each two networks and for each
// published port, and is for tools that know no other.
func Docker19() bridge.Layout {
	return newDocker("docker-1.9", version19, early{isolation: subnetPairs, repeats: true})
}

// Docker110 is the rules of Docker 1.10 to 17.05, as 1.10 made them: chain
// DOCKER-ISOLATION keeps networks from each other. There is no DOCKER-USER.
func Docker110() bridge.Layout {
	return newDocker("docker-1.10", version110, early{isolation: bridgePairs, repeats: true, skipsOwn: true})
}

// Docker1706 is the rules of Docker 17.06 to 18.03, as 17.06 made them: with
// DOCKER-USER.
func Docker1706() bridge.Layout {
	return newDocker("docker-17.06", version1706, early{
		isolation: bridgePairs, skipsOwn: true, user: true, acceptsFirst: true, innerICC: true,
	})
}

// Docker1805 is the rules of Docker 18.05 to 27, IPv4 as 18.05 to 20.10 made them
// and IPv6 as 20.10 did: DOCKER-ISOLATION-STAGE-1 and -2, and DOCKER-USER of IPv4.
func Docker1805() bridge.Layout {
	return newDocker("docker-18.05", version1805, early{
		isolation: stages, skipsOwn: true, user: true, acceptsFirst: true, innerICC: true, checksums: true, mirrored: true,
	})
}

// Docker28 is the rules of Docker 28, and of Docker 29 where it uses iptables.
func Docker28() bridge.Layout { return newDocker("docker-28", version28, late{}) }

// LayoutNamed returns the layout of a name, with its defaults: one of
// [LayoutNames]. For another name the error matches fs.ErrNotExist, and says which
// there are.
func LayoutNamed(name string) (bridge.Layout, error) {
	for _, l := range layouts {
		if l.name == name {
			return l.make(), nil
		}
	}
	return nil, fmt.Errorf("compat: layout %q: %w: use %s", name, fs.ErrNotExist, strings.Join(LayoutNames(), ", "))
}

// LayoutNames are the names that [LayoutNamed] knows: native, hybrid, and those of
// Docker's versions, the newest first.
func LayoutNames() []string {
	var names []string
	for _, l := range layouts {
		names = append(names, l.name)
	}
	return names
}

var layouts = []struct {
	name string
	make func() bridge.Layout
}{
	{"native", bridge.Native},
	{"hybrid", func() bridge.Layout { return Hybrid(HybridOptions{}) }},
	{"docker-28", Docker28},
	{"docker-18.05", Docker1805},
	{"docker-17.06", Docker1706},
	{"docker-1.10", Docker110},
	{"docker-1.9", Docker19},
}

// rules is what a version of Docker writes for each fact.
type rules interface {
	// chains are Docker's own chains, by table, as they are there on every host.
	chains(nft.Family) map[string][]string
	// userChain tells whether a family has DOCKER-USER, finalReturn whether that
	// begins with a rule that returns.
	userChain(nft.Family) bool
	finalReturn() bool
	host(*bridge.Host, sheet)
	network(*bridge.Network, sheet)
	// pair is for two networks, of which the first is older.
	pair(older, newer *bridge.Network, s sheet)
	endpoint(*bridge.Endpoint, sheet)
	binding(*bridge.Binding, sheet)
	link(*bridge.ContainerLink, sheet)
}

// docker is a layout of a version of Docker.
type docker struct {
	name    string
	version version
	rules   rules
	// companion holds the records, and what protects in addition.
	companion bridge.Layout
	tables    map[nft.TableRef]*tables
}

func newDocker(name string, v version, r rules) docker {
	l := docker{name: name, version: v, rules: r, companion: newCompanion(v), tables: map[nft.TableRef]*tables{}}
	for _, f := range v.families() {
		own := r.chains(f)
		if r.userChain(f) {
			own["filter"] = append(slices.Clone(own["filter"]), userChain)
		}
		for _, table := range tableNames {
			t := newTable(f, table, own[table])
			l.tables[t.table.Ref()] = t
		}
	}
	return l
}

func (l docker) Name() string { return l.name }

func (l docker) Tables() []nft.TableRef {
	out := slices.Clone(l.companion.Tables())
	for _, f := range l.version.families() {
		for _, name := range tableNames {
			out = append(out, nft.TableRef{Family: f, Name: name})
		}
	}
	return out
}

func (l docker) UserChain(f nft.Family) nft.ChainRef {
	if !slices.Contains(l.version.families(), f) || !l.rules.userChain(f) {
		return nft.ChainRef{}
	}
	return nft.TableRef{Family: f, Name: "filter"}.Chain(userChain)
}

// InitialUserRules implements [bridge.UserInitializer]: until 27, Docker left a
// rule that returns in DOCKER-USER, which those that are appended stand behind.
func (l docker) InitialUserRules(f nft.Family) []*nft.Rule {
	chain := l.UserChain(f)
	if chain == (nft.ChainRef{}) || !l.rules.finalReturn() {
		return nil
	}
	r := l.rule(line{family: f, table: "filter", chain: userChain, args: to("RETURN")})
	return []*nft.Rule{r}
}

func (l docker) Check(f bridge.Fact) error {
	if err := l.companion.Check(f); err != nil {
		return err
	}
	return l.version.check(f)
}

func (l docker) Compile(f bridge.Fact, add func(nft.Object)) {
	l.companion.Compile(f, add)
	h := hostOf(f)
	for _, family := range l.version.families() {
		if h.Disabled(family) {
			continue
		}
		if f == bridge.Fact(h) {
			for _, name := range []string{"filter", "nat"} {
				l.tables[nft.TableRef{Family: family, Name: name}].addAll(add)
			}
		}
		l.lines(f, l.sheet(family, add))
	}
}

// CompilePair implements [bridge.PairLayout]: what keeps two networks from each other.
func (l docker) CompilePair(older, newer *bridge.Network, add func(nft.Object)) {
	for _, family := range l.version.families() {
		if !newer.Host.Disabled(family) {
			l.rules.pair(older, newer, l.sheet(family, add))
		}
	}
}

// lines writes the rules of a fact in one family.
func (l docker) lines(f bridge.Fact, s sheet) {
	switch f := f.(type) {
	case *bridge.Host:
		l.rules.host(f, s)
	case *bridge.Network:
		l.rules.network(f, s)
	case *bridge.Endpoint:
		l.rules.endpoint(f, s)
	case *bridge.Binding:
		l.rules.binding(f, s)
	case *bridge.ContainerLink:
		l.rules.link(f, s)
	}
}

// sheet makes objects of lines.
func (l docker) sheet(f nft.Family, add func(nft.Object)) sheet {
	return sheet{f, func(rule line) {
		if t := l.tables[nft.TableRef{Family: rule.family, Name: rule.table}]; t.sometimes {
			t.addAll(add)
		}
		add(l.rule(rule))
	}}
}

// rule makes a rule of a line, as iptables-nft would.
func (l docker) rule(r line) *nft.Rule {
	chain := nft.TableRef{Family: r.family, Name: r.table}.Chain(r.chain)
	args, fill := strings.CutSuffix(strings.Join(r.args, " "), " -j CHECKSUM --checksum-fill")
	parsed, err := iptables.ParseArgs(iptables.Context{Family: r.family, Table: r.table}, strings.Fields(args))
	var statements []nft.Statement
	if err == nil {
		statements, _, err = parsed.Statements(chain)
	}
	if err != nil {
		panic(fmt.Sprintf("compat: %s %v: %v", chain, r.args, err)) // the layout is wrong
	}
	if fill {
		statements = append(statements, checksumFill)
	}
	return &nft.Rule{Chain: chain, Key: r.key, Rank: r.rank, Statements: statements}
}

// checksumFill is a target that the language of the user's chains has not: only
// table mangle has it. Its structure is one byte, XT_CHECKSUM_OP_FILL.
var checksumFill = nft.XT{Target: true, Name: "CHECKSUM", Info: "\x01"}

// hostOf is the host that a fact is about.
func hostOf(f bridge.Fact) *bridge.Host {
	switch f := f.(type) {
	case *bridge.Host:
		return f
	case *bridge.Forwarding:
		return f.Host
	case *bridge.Network:
		return f.Host
	case *bridge.Endpoint:
		return f.Network.Host
	case *bridge.Binding:
		return f.Endpoint.Network.Host
	case *bridge.ContainerLink:
		return f.From.Network.Host
	}
	panic(fmt.Sprintf("compat: a fact of no host: %T", f))
}
