package bridge

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/seawall-net/seawall/nft"
)

// An Installation is what a firewall has written down about itself on a host:
// with which layout and options it was last opened.
type Installation struct {
	// Layout is the layout's name: see [Layout].
	Layout string
	// Host is the options.
	Host Host
	// Generation is the ruleset's when this was read.
	Generation uint32
	// Networks, Endpoints and Bindings are how many there are of each.
	Networks, Endpoints, Bindings int
}

// Installed tells which firewall is on a host, whatever its layout, and whether
// somebody has it open or not: every layout keeps its records in the tables "ip
// seawall" and "ip6 seawall". ns is an open file on the host's network
// namespace; nil is the calling thread's. Nothing is written.
//
// It fails with fs.ErrNotExist if there is none, and with [ErrForeignTable] if
// those tables are there but cannot be understood: the error says which object
// it is, and why. That objects are as the records say is for [Open] to find out.
func Installed(ctx context.Context, ns *os.File) (*Installation, error) {
	i, err := installed(ctx, ns)
	if err != nil {
		return nil, fmt.Errorf("bridge: installed: %w", err)
	}
	return i, nil
}

func installed(ctx context.Context, ns *os.File) (i *Installation, err error) {
	// A firewall that only reads.
	fw := newFirewall(Config{})
	defer func() { err = errors.Join(err, fw.release()) }()
	if fw.ns, err = namespace(ns); err != nil {
		return nil, err
	}
	if fw.conn, err = nft.Dial(nft.Config{NetNS: fw.ns}); err != nil {
		return nil, err
	}
	have, err := fw.load(ctx)
	if err != nil {
		return nil, err
	}
	records, err := fw.records(have)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("there is no firewall on this host: %w", errNotExist)
	}
	i = &Installation{Layout: records[0].layout, Host: records[0].host, Generation: have.Generation}
	for _, r := range records {
		switch r.kind {
		case recordNetwork:
			i.Networks++
		case recordEndpoint:
			i.Endpoints++
		case recordBinding:
			i.Bindings++
		}
	}
	return i, nil
}

// Config returns a configuration with which [Open] takes the firewall over
// without changing its options. Its Layout is nil if the layout is the native
// one. Any other has to be filled in, for example by compat.LayoutNamed(i.Layout):
// Open refuses records of another layout than it is asked for.
func (i *Installation) Config() Config {
	h := i.Host
	return Config{
		AllowDirectRouting: h.AllowDirectRouting,
		UserlandProxy:      h.UserlandProxy,
		DisableIPv4:        h.DisableIPv4,
		DisableIPv6:        h.DisableIPv6,
		DropForward:        h.DropForward,
		WSL2Mirrored:       h.WSL2Mirrored,
		LogDrops:           h.LogDrops,
	}
}
