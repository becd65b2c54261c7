package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/examples/seawallctl/document"
	"github.com/seawall-net/seawall/nft"
)

func userCommand() *command {
	c := newCommand("user", "user list|append|insert|delete|check|flush|new-chain|delete-chain|save|restore [-6] [--chain C] [--at N] [-- RULE]",
		"list and change the user's rules, in iptables' syntax",
		"seawallctl user append -- -i eth0 ! -s 192.0.2.0/24 -j DROP",
		"seawallctl user insert --at 2 -- -p tcp --dport 22 -j ACCEPT",
		"seawallctl user delete -- -i eth0 ! -s 192.0.2.0/24 -j DROP    # or --at 1",
		"seawallctl user check -- -p tcp --dport 22 -j ACCEPT           # exit status 0: it is there",
		"seawallctl user new-chain --chain MINE && seawallctl user append -- -j MINE",
		"seawallctl user list -6 --chain MINE",
		"seawallctl user save > rules && seawallctl user restore < rules    # --noflush adds")
	c.words = []string{"list", "append", "insert", "delete", "check", "flush", "new-chain", "delete-chain", "save", "restore"}
	six := c.flags.Bool("6", false, "the chain of IPv6")
	chain := c.flags.String("chain", "", "a `chain` of the user's own (DOCKER-USER)")
	at := c.flags.Int("at", 0, "the `number` of a rule, from 1")
	keep := c.flags.Bool("noflush", false, "restore: keep the rules that are there, and add the file's")
	c.run = func(ctx context.Context, s *session) error {
		if len(s.args) != 1 || !slices.Contains(c.words, s.args[0]) {
			return s.usage("one of %s is needed; rules stand behind --", strings.Join(c.words, ", "))
		}
		u := &userCall{session: s, at: *at, keep: *keep}
		u.chain = compat.UserChain{Family: nft.IPv4, Name: *chain}
		if *six {
			u.chain.Family = nft.IPv6
		}
		if err := u.read(s.args[0]); err != nil {
			return err
		}
		return s.with(ctx, func(fw *bridge.Firewall) error {
			u.chain.Firewall = fw
			return u.do(ctx, s.args[0])
		})
	}
	return c
}

// A userCall is one call of the command.
type userCall struct {
	*session
	chain compat.UserChain
	rule  compat.Rule
	saved *iptables.Save
	at    int
	keep  bool
}

// read reads the rule or the file, if the word needs one.
func (u *userCall) read(word string) (err error) {
	named := u.chain.Name != "" && u.chain.Name != document.UserChain
	switch word {
	case "append", "insert", "check", "delete":
		switch byNumber := word == "delete" && u.at > 0; {
		case byNumber && u.rest != nil:
			return u.usage("delete: a rule or its number, not both")
		case byNumber:
			return nil
		case len(u.rest) == 0:
			return u.usage("%s: a rule is needed, behind --", word)
		}
		if u.rule, err = compat.ParseArgs(u.rest...); err != nil {
			return u.usage("%s", strings.TrimPrefix(err.Error(), "compat: "))
		}
		return nil
	case "new-chain", "delete-chain":
		if !named {
			return u.usage("%s: --chain is needed, with a name of your own", word)
		}
	case "restore":
		text, err := io.ReadAll(u.stdin)
		if err != nil {
			return err
		}
		if u.saved, err = compat.ParseSave(u.chain.Family, string(text)); err != nil {
			return u.usage("standard input: %s", strings.TrimPrefix(err.Error(), "compat: "))
		}
	}
	if u.rest != nil {
		return u.usage("%s takes no rule", word)
	}
	return nil
}

// do does what the word says.
func (u *userCall) do(ctx context.Context, word string) error {
	switch word {
	case "append":
		return u.chain.Append(ctx, u.rule)
	case "insert":
		return u.chain.Insert(ctx, max(u.at, 1), u.rule)
	case "delete":
		if u.at > 0 {
			return u.chain.DeleteAt(ctx, u.at)
		}
		return u.chain.Delete(ctx, u.rule)
	case "check":
		found, err := u.chain.Contains(ctx, u.rule)
		if err == nil && !found {
			err = errNo
		}
		return err
	case "flush":
		return u.chain.Flush(ctx)
	case "new-chain":
		return u.chain.Create(ctx)
	case "delete-chain":
		return u.chain.Remove(ctx)
	case "restore":
		return u.chain.Restore(ctx, u.saved, u.keep)
	case "save":
		return u.save(ctx)
	}
	return u.list(ctx)
}

// save prints the user's chains as iptables-save does.
func (u *userCall) save(ctx context.Context) error {
	save, err := u.chain.Save(ctx)
	if err != nil {
		return err
	}
	if u.json {
		return u.printJSON(map[string]any{"rules": document.Lines(save)})
	}
	_, err = io.WriteString(u.stdout, save.String())
	return err
}

// A listedRule is a rule as JSON.
type listedRule struct {
	Number  int    `json:"number"`
	Rule    string `json:"rule,omitempty"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	// NFT is the rule in nft's syntax, if iptables has no form for it.
	NFT string `json:"nft,omitempty"`
}

// list prints the rules of the chain with what they have counted.
func (u *userCall) list(ctx context.Context) error {
	rules, err := u.chain.List(ctx)
	if err != nil {
		return err
	}
	out := []listedRule{}
	for _, r := range rules {
		l := listedRule{Number: r.Number}
		if r.Err == nil {
			l.Rule, l.Packets, l.Bytes = r.Rule.String(), r.Rule.Counters.Packets, r.Rule.Counters.Bytes
		} else {
			l.NFT = r.Loaded.String()
		}
		out = append(out, l)
	}
	if u.json {
		return u.printJSON(map[string]any{"rules": out})
	}
	for _, l := range out {
		text := l.Rule
		if l.NFT != "" {
			text = "(nft) " + l.NFT
		}
		if _, err := fmt.Fprintf(u.stdout, "%d\t[%d:%d]\t%s\n", l.Number, l.Packets, l.Bytes, text); err != nil {
			return err
		}
	}
	return nil
}
