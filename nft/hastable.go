package nft

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// HasTable tells whether there is a table. It is much cheaper than a [Conn.Load].
func (c *Conn) HasTable(ctx context.Context, t TableRef) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := encoder{}
	at := e.message(nftables(unix.NFT_MSG_GETTABLE), unix.NLM_F_REQUEST, c.nextSeq(1), uint8(t.Family), 0)
	e.str(unix.NFTA_TABLE_NAME, t.Name)
	e.end(at)
	err := c.exchange(ctx, e.b, func(m message) (bool, error) {
		if m.typ == unix.NLMSG_ERROR {
			return true, m.ack().err()
		}
		return true, nil
	})
	switch {
	case errors.Is(err, unix.ENOENT):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("nft: get table %s: %w", t, err)
	}
	return true, nil
}
