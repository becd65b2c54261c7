// Userrule puts one rule in iptables' syntax into the DOCKER-USER of a firewall
// of ours, for programs that compare what becomes of packets there with what
// becomes of them under the real iptables.
//
//	userrule [-layout native] NETNS RULE.json accept|drop
//
// It enters the network namespace /run/netns/NETNS, opens a firewall without
// networks, loads the rule with what it needs, and lets what comes behind
// DOCKER-USER accept or drop everything. It wants a namespace without rules, and
// leaves its own there.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/internal/userrule"
	"github.com/seawall-net/seawall/nft"
)

func main() {
	layout := flag.String("layout", "native", "the firewall's layout: "+strings.Join(compat.LayoutNames(), ", "))
	flag.Parse()
	err := errors.New("usage: userrule [-layout NAME] NETNS RULE.json accept|drop")
	if flag.NArg() == 3 {
		err = run(context.Background(), *layout, flag.Arg(0), flag.Arg(1), flag.Arg(2))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, layout, space, file, rest string) (err error) {
	tail := map[string]nft.Verdict{"accept": nft.Accept(), "drop": nft.Drop()}[rest]
	if tail.Kind == nft.NoVerdict {
		return fmt.Errorf("%q is neither accept nor drop", rest)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var rule userrule.Rule
	if err := json.Unmarshal(text, &rule); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	ns, err := netns.Open(filepath.Join("/run/netns", space))
	if err != nil {
		return err
	}
	defer ns.Close()
	cfg := bridge.Config{NetNS: ns, RulesOnly: true}
	if cfg.Layout, err = compat.LayoutNamed(layout); err != nil {
		return err
	}
	fw, err := bridge.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fw.Close()) }()
	if err := rule.Prepare(ctx, fw); err != nil {
		return err
	}
	if err := rule.Load(ctx, fw); err != nil {
		return err
	}
	return conclude(ctx, ns, fw.UserChain(rule.Family()), tail)
}

// conclude puts a verdict right behind the jump to DOCKER-USER.
func conclude(ctx context.Context, ns *os.File, user nft.ChainRef, tail nft.Verdict) error {
	conn, err := nft.Dial(nft.Config{NetNS: ns})
	if err != nil {
		return err
	}
	have, err := conn.LoadChains(ctx, user.Table)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	var b nft.Batch
	for _, chain := range have.Chains(user.Table) {
		if chain.Hook != nft.Forward {
			continue
		}
		for _, rule := range have.Rules(chain.Ref()) {
			if slices.Contains(rule.Statements, nft.Statement(nft.Jump(user.Name))) {
				b.AddRule(&nft.Rule{Chain: chain.Ref(), Statements: []nft.Statement{tail}}, rule.Handle)
			}
		}
	}
	if b.Len() != 1 {
		err = fmt.Errorf("%d rules of forward chains lead to %s", b.Len(), user)
	} else {
		_, err = conn.Commit(ctx, b)
	}
	return errors.Join(err, conn.Close())
}
