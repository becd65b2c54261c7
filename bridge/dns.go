package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/conntrack"
	"github.com/seawall-net/seawall/nft"
)

// A DNS is where the resolver of a container listens: on ports of 127.0.0.11,
// in the container's own network namespace.
type DNS struct {
	// UDP and TCP are the resolver's ports, 1 to 65535. Port 53 itself may be
	// one of them.
	UDP, TCP uint16
}

const (
	// dnsTable is the table in the container's namespace. It is all ours.
	dnsTable = "seawall-dns"
	dnsPort  = 53
	// maxDNSLosses is how often others in the namespace may be faster.
	maxDNSLosses = 100
)

// dnsAddr is the name server that Docker writes into a container's resolv.conf.
// It is an IPv4 address in containers without IPv4, too: every namespace
// has it.
func dnsAddr() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 11}) }

// RedirectDNS leads what is sent to port 53 of 127.0.0.11 in a container's
// namespace, by UDP and TCP, to the ports on which the container runtime's
// resolver listens there. The client sees answers come from port 53. It is one
// transaction, in a table of its own. A second call changes the ports; with the
// same ports it writes nothing. UDP sockets that have asked before are led to
// the new ports, too.
//
// Rules of the container's own are left alone. A translation of theirs at the
// usual priority comes later, and so does not see what is for the resolver;
// one at a lower priority comes first. Their filters see the resolver's ports.
//
// ns is an open file on the namespace, which nothing but the call needs. A
// missing file or port is a [*SpecError]. RedirectDNS may be called by several
// goroutines: the last one wins.
func RedirectDNS(ctx context.Context, ns *os.File, d DNS) error {
	for _, p := range []struct {
		port  uint16
		field string
	}{{d.UDP, "UDP"}, {d.TCP, "TCP"}} {
		if p.port == 0 {
			return &SpecError{"DNS", p.field, "is missing"}
		}
	}
	want, err := d.ruleset()
	if err != nil {
		return fmt.Errorf("bridge: redirect DNS: %w", err)
	}
	return settleDNS(ctx, ns, "redirect DNS", want)
}

// EndDNSRedirect takes back what RedirectDNS has done in a namespace. Without it
// there is nothing to do, which is no error.
func EndDNSRedirect(ctx context.Context, ns *os.File) error {
	return settleDNS(ctx, ns, "end DNS redirect", &nft.Ruleset{})
}

// ruleset is the table that a resolver needs.
func (d DNS) ruleset() (*nft.Ruleset, error) {
	table := &nft.Table{Family: nft.IPv4, Name: dnsTable}
	// One step before the container's own translations.
	output := &nft.Chain{Table: table.Ref(), Name: "nat-output", Type: nft.NATChain, Hook: nft.Output, Priority: nft.PriorityDNAT - 1}
	// Answers are translated back by themselves, unless the kernel has forgotten
	// the question by then.
	postrouting := &nft.Chain{Table: table.Ref(), Name: "nat-postrouting", Type: nft.NATChain, Hook: nft.Postrouting, Priority: nft.PrioritySNAT - 1}
	a := dnsAddr()
	server := netip.AddrPortFrom(a, dnsPort)
	objects := []nft.Object{table, output, postrouting}
	for _, p := range []struct {
		key          string
		sport, dport nft.Field[uint16]
		port         uint16
	}{{"udp", nft.UDPSport, nft.UDPDport, d.UDP}, {"tcp", nft.TCPSport, nft.TCPDport, d.TCP}} {
		objects = append(objects,
			&nft.Rule{Chain: output.Ref(), Key: p.key, Statements: []nft.Statement{
				nft.IPDaddr.Eq(a), p.dport.Eq(dnsPort), nft.DNAT(netip.AddrPortFrom(a, p.port))}},
			&nft.Rule{Chain: postrouting.Ref(), Key: p.key, Statements: []nft.Statement{
				nft.IPSaddr.Eq(a), p.sport.Eq(p.port), nft.SNATPort(server, 0)}})
	}
	var rs nft.Ruleset
	for _, o := range objects {
		if err := rs.Add(o); err != nil {
			return nil, err
		}
	}
	return &rs, nil
}

// settleDNS makes the table what it should be.
func settleDNS(ctx context.Context, ns *os.File, what string, want *nft.Ruleset) (err error) {
	if ns == nil {
		return &SpecError{"DNS", "NetNS", "is missing"}
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("bridge: %s: %w", what, err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	conn, err := nft.Dial(nft.Config{NetNS: ns})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for losses := 0; ; losses++ {
		have, err := conn.Load(ctx, nft.TableRef{Family: nft.IPv4, Name: dnsTable})
		if err != nil {
			return err
		}
		batch := nft.Diff(have, want)
		if batch.Len() == 0 {
			return nil
		}
		_, err = conn.Commit(ctx, batch)
		if err == nil {
			return forgetDNS(context.WithoutCancel(ctx), ns) // the commit holds, and this is its other half
		}
		if !errors.Is(err, nft.ErrGeneration) || losses == maxDNSLosses {
			return err
		}
	}
}

// forgetDNS makes the kernel forget where it has led questions until now.
func forgetDNS(ctx context.Context, ns *os.File) error {
	conn, err := conntrack.Dial(ns)
	if err == nil {
		server := netip.AddrPortFrom(dnsAddr(), dnsPort)
		_, err = conn.Sweep(ctx, conntrack.Filter{Proto: unix.IPPROTO_UDP, Port: dnsPort},
			func(f *conntrack.Flow) bool { return f.Orig.Dst == server && f.Orig.Proto == unix.IPPROTO_UDP })
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		return fmt.Errorf("forget former questions: %w", err)
	}
	return nil
}
