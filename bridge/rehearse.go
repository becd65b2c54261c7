package bridge

import (
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// Rehearse tells what [Firewall.Update] would make of an empty host with a
// configuration, and returns the facts that there would be, with all defaults
// filled in. It fails as fn and Update would, as far as that depends on the facts
// alone. It asks and changes nothing, needs no privileges, and may be called by
// several goroutines.
//
// So programs can tell what is wrong with what they were given before they open
// a firewall, and what has to be done to get there: the difference between the
// [View] that is and the one that should be. A host port that is left open gets
// some port of the kernel's default range; NetNS, Trace and everything about
// sockets are ignored.
func Rehearse(cfg Config, fn func(*Tx) error) (*View, error) {
	cfg.Logger = nil
	fw := newFirewall(cfg)
	host := cfg.host()
	host.record = host.encode(fw.layout.Name())
	if err := fw.restore(host, nil); err != nil {
		return nil, err
	}
	ephemeral, err := portmap.ParseEphemeral("32768 60999", "")
	if err != nil {
		return nil, err
	}
	tx := &Tx{fw: fw, change: fw.union.Begin(), ephemeral: &ephemeral}
	if err := fn(tx); err != nil {
		return nil, err
	}
	if tx.err != nil {
		return nil, tx.err
	}
	if _, err := tx.batch(); err != nil {
		return nil, err
	}
	tx.change.Commit(nft.Result{})
	return fw.state.view(), nil
}
