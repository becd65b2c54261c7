package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/nft"
)

// hairpin tells whether bridges give packets back through the port that they
// came by. With br_netfilter, that is the way of a container that reaches its own
// published port. With a proxy, the host answers it.
func (h *Host) hairpin() bool { return !h.UserlandProxy }

// alignLinks brings links that are there into line with the facts: what they
// carry depends on options that may have changed since they were made. before is
// the host as it was. What cannot be done is an error only if it has changed.
func (fw *Firewall) alignLinks(ctx context.Context, before *Host) error {
	if fw.links == nil || len(fw.state.networks) == 0 {
		return nil
	}
	errs := []error{fw.alignHairpin()}
	for _, n := range fw.state.networks {
		for i, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
			if n.loopback[i] == 0 {
				continue
			}
			err := fw.links.loopback(loopbackUse{n.fact, f}, n.fact.Host.carriesLoopback(f))
			if !errors.Is(err, errNotExist) { // of a bridge that is gone
				errs = append(errs, err)
			}
		}
	}
	err := errors.Join(errs...)
	if err != nil && before.record == fw.state.host.record {
		fw.logger.LogAttrs(ctx, slog.LevelWarn, "links are not as they should be", slog.Any("error", err))
		return nil
	}
	return err
}

func (fw *Firewall) alignHairpin() error {
	ports, err := fw.links.hairpins()
	if err != nil {
		return err
	}
	var errs []error
	want := fw.state.host.hairpin()
	for _, n := range fw.state.networks {
		for _, e := range n.endpoints {
			port, there := ports[e.fact.Spec.HostIfName]
			if !there || port.hairpin == want {
				continue
			}
			if err := fw.links.h.LinkSetHairpin(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: port.index}}, want); err != nil {
				errs = append(errs, fmt.Errorf("endpoint %s: set hairpin mode: %w", e.fact, err))
			}
		}
	}
	return errors.Join(errs...)
}

// A hairpinPort is a port of a bridge.
type hairpinPort struct {
	index   int
	hairpin bool
}

// hairpins lists the ports of ours by name. All are read at once.
func (l *links) hairpins() (map[string]hairpinPort, error) {
	ports := map[string]hairpinPort{}
	err := inNamespace(l.ns, func() error {
		request := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		answers, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		for _, answer := range answers {
			if len(answer) < unix.SizeofIfInfomsg {
				continue
			}
			attrs := answer[unix.SizeofIfInfomsg:]
			mode := attribute(attrs, []uint16{unix.IFLA_LINKINFO, nl.IFLA_INFO_SLAVE_DATA, nl.IFLA_BRPORT_MODE})
			if len(mode) == 1 && text(attrs, unix.IFLA_IFALIAS) == ownAlias {
				index := int(nl.DeserializeIfInfomsg(answer).Index)
				ports[text(attrs, unix.IFLA_IFNAME)] = hairpinPort{index, mode[0] != 0}
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list bridge ports: %w", err)
	}
	return ports, nil
}

// text returns an attribute that is a string.
func text(b []byte, typ uint16) string {
	return strings.TrimRight(string(attribute(b, []uint16{typ})), "\x00")
}
