package nft

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// LoadRules reads the rules of one chain, in the order of evaluation. It fails
// with [ErrNotExist] if there is no such chain.
func (c *Conn) LoadRules(ctx context.Context, chain ChainRef) ([]*Rule, error) {
	var e encoder
	e.str(unix.NFTA_RULE_TABLE, chain.Table.Name)
	e.str(unix.NFTA_RULE_CHAIN, chain.Name)
	for attempt := range loadAttempts {
		if err := pause(ctx, attempt); err != nil {
			return nil, fmt.Errorf("nft: load rules of %s: %w", chain, err)
		}
		dump, err := c.dump(ctx, unix.NFT_MSG_GETRULE, chain.Table.Family, e.b)
		var rules []*Rule
		fields, seen := newFieldIndex(), map[ID]bool{}
		err = eachDumped(dump, err, func(d dumped) error {
			r, err := decodeRule(fields, d.family, d.attrs)
			if err == nil && r.Chain == chain {
				disownCopy(r, seen)
				rules = append(rules, r)
			}
			return err
		})
		if err == nil && len(rules) == 0 {
			err = c.chainExists(ctx, chain)
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("nft: load rules of %s: %w", chain, err)
		}
		return rules, nil
	}
	return nil, fmt.Errorf("nft: load rules of %s: %w", chain, ErrGeneration)
}

// chainExists fails with ErrNotExist if there is no such chain: the kernel
// lists the rules of a missing chain as it does those of an empty one.
func (c *Conn) chainExists(ctx context.Context, chain ChainRef) error {
	dump, err := c.dump(ctx, unix.NFT_MSG_GETCHAIN, chain.Table.Family, nil)
	found := false
	err = eachDumped(dump, err, func(d dumped) error {
		listed, err := decodeChain(d.family, d.attrs)
		found = found || err == nil && listed.Ref() == chain
		return err
	})
	if err == nil && !found {
		return ErrNotExist
	}
	return err
}
