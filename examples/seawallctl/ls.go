package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/examples/seawallctl/document"
	"github.com/seawall-net/seawall/nft"
)

func lsCommand() *command {
	c := newCommand("ls", "ls [--json]",
		"list networks, endpoints and publications, with what they have counted",
		"seawallctl ls",
		"seawallctl ls --json    # the document that apply reads, with defaults filled in",
		"seawallctl --netns blue ls")
	c.run = func(ctx context.Context, s *session) error {
		if err := s.none(); err != nil {
			return err
		}
		listing := &document.Listing{Networks: []document.ListedNetwork{}, Endpoints: []document.ListedEndpoint{}}
		fw, is, err := s.look(ctx)
		switch {
		case errors.Is(err, errNoFirewall):
		case err != nil:
			return err
		default:
			if listing, err = s.list(ctx, fw, is); err != nil {
				return errors.Join(err, fw.Close())
			}
			if err := fw.Close(); err != nil {
				return err
			}
		}
		if s.json {
			return listing.Write(s.stdout)
		}
		return printListing(s.stdout, listing)
	}
	return c
}

// list reads what is on the host.
func (s *session) list(ctx context.Context, fw *bridge.Firewall, is *bridge.Installation) (*document.Listing, error) {
	counters, counted, err := counted(ctx, fw)
	if err != nil {
		return nil, err
	}
	l := document.List(is.Layout, &is.Host, fw.View(), counted)
	l.Firewall.Accounting, l.Counters = counters.Accounted(), counters.Host()
	l.Generation = fw.Generation()
	l.UserRules = &document.ListedUserRules{}
	for f, to := range map[nft.Family]**[]string{nft.IPv4: &l.UserRules.IPv4, nft.IPv6: &l.UserRules.IPv6} {
		save, err := compat.UserChain{Firewall: fw, Family: f}.Save(ctx)
		switch {
		case err == nil:
			lines := document.Lines(save)
			*to = &lines
		case errors.Is(err, bridge.ErrFamilyDisabled), errors.Is(err, bridge.ErrNoUserChain):
		default:
			// A document that leaves them out leaves them alone.
			fmt.Fprintln(s.stderr, "seawallctl: user rules are left out:", err)
		}
	}
	return l, nil
}

// printListing prints a listing for people.
func printListing(w io.Writer, l *document.Listing) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if len(l.Networks) > 0 {
		fmt.Fprintln(t, "NETWORK\tBRIDGE\tIPV4\tIPV6\tOPTIONS\tCOUNTERS")
	}
	for _, n := range l.Networks {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", n.Name, n.Bridge, gateway(n.IPv4), gateway(n.IPv6), orDash(options(n)), orDash(counts(n.Counters)))
	}
	if len(l.Endpoints) > 0 {
		fmt.Fprintln(t, "\nENDPOINT\tIPV4\tIPV6\tPUBLISHED\tFOR\tCOUNTERS")
	}
	for _, e := range l.Endpoints {
		name := e.Network + "/" + e.Name
		head := fmt.Sprintf("%s\t%s\t%s", name, orDash(addr(e.IPv4)), orDash(addr(e.IPv6)))
		if len(e.Publish) == 0 {
			fmt.Fprintf(t, "%s\t-\t-\t-\n", head)
		}
		for _, p := range e.Publish {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", head, p.Published, scope(p), orDash(counts(p.Counters)))
			head = "\t\t"
		}
	}
	for _, rules := range []struct {
		family string
		lines  *[]string
	}{{"IPV4", userRules(l).IPv4}, {"IPV6", userRules(l).IPv6}} {
		if rules.lines != nil && len(*rules.lines) > 0 {
			fmt.Fprintf(t, "\nDOCKER-USER %s\n", rules.family)
			for _, line := range *rules.lines {
				fmt.Fprintln(t, line)
			}
		}
	}
	return t.Flush()
}

func userRules(l *document.Listing) document.ListedUserRules {
	if l.UserRules == nil {
		return document.ListedUserRules{}
	}
	return *l.UserRules
}

func gateway(g *document.ListedGateway) string {
	if g == nil {
		return "-"
	}
	return fmt.Sprintf("%s %s", g.Subnet, g.Mode)
}

func addr(a interface{ String() string }) string {
	if s := a.String(); s != "invalid IP" {
		return s
	}
	return ""
}

func options(n document.ListedNetwork) string {
	var all []string
	for _, o := range []struct {
		on   bool
		name string
	}{
		{n.Internal, "internal"}, {n.DisableICC, "disable_icc"}, {n.DisableHostAccess, "disable_host_access"},
		{n.DisableMasquerade, "disable_masquerade"}, {n.RandomMasquerade, "random_masquerade"},
	} {
		if o.on {
			all = append(all, o.name)
		}
	}
	return strings.Join(all, ",")
}

func scope(p document.ListedPublication) string {
	var all []string
	for _, from := range p.From {
		all = append(all, from.String())
	}
	if p.Interface != "" {
		all = append(all, p.Interface)
	}
	if len(all) == 0 {
		return "everybody"
	}
	return strings.Join(all, ",")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
