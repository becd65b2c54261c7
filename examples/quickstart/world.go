package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
	"golang.org/x/sys/unix"
)

// published is the port that leads to the shop, as in docker run -p.
const published = "8080:80"

// The machines on the LAN. The addresses are those set aside for documentation.
var (
	hostIPv4, hostIPv6     = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8:1::1")
	laptopIPv4, laptopIPv6 = netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8:1::2")
)

// A world is a host, a laptop on its LAN, and what will be containers: each is a network namespace.
type world struct {
	lab                              *netlab.Lab
	laptop, host, shop, cart, orders *netlab.Namespace
	servers                          []*http.Server
}

func newWorld() (*world, error) {
	lab, err := netlab.Open()
	if err != nil {
		return nil, err
	}
	w := &world{
		lab: lab, laptop: lab.Namespace("laptop"), host: lab.Namespace("host"),
		shop: lab.Namespace("shop"), cart: lab.Namespace("cart"), orders: lab.Namespace("orders"),
	}
	lan := lab.LAN("lan")
	lan.Plug(w.host, "eth0", hostIPv4.String()+"/24", hostIPv6.String()+"/64")
	lan.Plug(w.laptop, "eth0", laptopIPv4.String()+"/24", laptopIPv6.String()+"/64")
	// The laptop would get to the containers directly, if it were let.
	w.laptop.Route("default", hostIPv4.String())
	w.laptop.Route("default", hostIPv6.String())
	if err := lab.Err(); err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	for _, ns := range []*netlab.Namespace{w.shop, w.cart, w.orders} {
		for _, address := range []string{"0.0.0.0:80", "[::]:80"} {
			if err := w.serve(ns, address); err != nil {
				return nil, errors.Join(err, w.close())
			}
		}
	}
	return w, nil
}

// serve starts a web server that tells its visitors who it is and where they come from.
func (w *world) serve(ns *netlab.Namespace, address string) error {
	listener, err := ns.ListenTCP(address)
	if err != nil {
		return err
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(out http.ResponseWriter, request *http.Request) {
			visitor, _, _ := net.SplitHostPort(request.RemoteAddr)
			fmt.Fprintf(out, "%s saw %s", ns.Name(), visitor)
		}),
	}
	w.servers = append(w.servers, server)
	go func() { _ = server.Serve(listener) }() // until close
	return nil
}

func (w *world) close() error {
	var failures []error
	for _, server := range w.servers {
		failures = append(failures, server.Close())
	}
	return errors.Join(append(failures, w.lab.Close())...)
}

// look lets everybody call everybody, all at once, and notes who got through.
func (w *world) look(ctx context.Context, r *report, name string) error {
	var probes []probe
	var from []*netlab.Namespace
	for _, ns := range []*netlab.Namespace{w.laptop, w.shop, w.cart, w.orders, w.host} {
		for _, p := range targets(r) {
			if p.To == ns.Name()+":80" {
				continue // itself
			}
			p.From = ns.Name()
			probes, from = append(probes, p), append(from, ns)
		}
	}
	failures := make([]error, len(probes))
	var group sync.WaitGroup
	for i := range probes {
		group.Go(func() { failures[i] = get(ctx, from[i], &probes[i]) })
	}
	group.Wait()
	r.Phases = append(r.Phases, phase{name, probes})
	return errors.Join(failures...)
}

// targets are the addresses that everybody calls: the published port, the containers themselves, and a port of the host
// that is not published and where nobody listens.
func targets(r *report) []probe {
	var out []probe
	add := func(to string, m machine, port uint16) {
		out = append(out,
			probe{To: to, Family: "ipv4", Address: netip.AddrPortFrom(m.IPv4, port)},
			probe{To: to, Family: "ipv6", Address: netip.AddrPortFrom(m.IPv6, port)})
	}
	add("host:8080", r.Host, 8080)
	for _, c := range r.Containers {
		add(c.Name+":80", c.machine, 80)
	}
	add("host:9000", r.Host, 9000)
	return out
}

// silence is how long an answer is waited for.
const silence = 1500 * time.Millisecond

// get makes an HTTP request out of a namespace and notes what became of it.
func get(ctx context.Context, from *netlab.Namespace, p *probe) error {
	client := http.Client{
		Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true},
		Timeout:   silence,
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Address.String(), nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	switch timeout := net.Error(nil); {
	case errors.Is(err, unix.ECONNREFUSED):
		p.Outcome = "refused"
		return nil
	case errors.As(err, &timeout) && timeout.Timeout() && ctx.Err() == nil:
		p.Outcome = "silent"
		return nil
	case err != nil:
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", request.URL, err)
	}
	server, visitor, _ := strings.Cut(string(text), " saw ")
	p.Outcome, p.Server = "delivered", server
	p.Source, err = netip.ParseAddr(visitor)
	return err
}

// leftBehind returns what the host did not have in the beginning: tables of nf_tables, links, and forwarding.
func (w *world) leftBehind(ctx context.Context) ([]string, error) {
	conn, err := nft.Dial(nft.Config{NetNS: w.host.File()})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rules, err := conn.Load(ctx)
	if err != nil {
		return nil, err
	}
	left := []string{}
	for _, table := range rules.Tables() {
		left = append(left, "table "+table.Ref().String())
	}
	links, err := w.host.Netlink().LinkList()
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	for _, link := range links {
		if name := link.Attrs().Name; name != "lo" && name != "eth0" {
			left = append(left, "link "+name)
		}
	}
	for _, key := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if value := w.host.Sysctl(key); value != "0" {
			left = append(left, key+" is "+value)
		}
	}
	return left, w.lab.Err()
}
