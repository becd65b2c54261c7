package conformance

import (
	"net/netip"
	"strconv"
	"strings"
)

// A probe is a question: who sends, in which family, to whom. It is comparable.
type probe struct {
	// from is a container, "ext", "host", or "host-lo": the host from a socket
	// that is bound to a loopback address.
	from   string
	family int
	// to is a name of the atlas, port "80" or "53/udp".
	to, port string
}

// The ports that containers answer on, and the one of ext's and the host's own
// services.
var endpointPorts = []string{"80", "81", "90", "53/udp"}

const servicePort = "7777"

func (p probe) String() string {
	return p.from + " to " + p.to + ":" + p.port + " in IPv" + [...]string{"4", "6"}[p.family]
}

// network returns the protocol and the number of the port.
func (p probe) network() (proto string, number uint16) {
	port, proto, udp := strings.Cut(p.port, "/")
	if !udp {
		proto = "tcp"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		panic(err)
	}
	return proto, uint16(n)
}

func (p probe) addr(a *atlas) netip.Addr { return a.addrs[p.to][p.family] }

// server is who answers if anybody does.
func (p probe) server(a *atlas) string {
	if a.networkOf[p.to] != "" || p.port == servicePort && p.to == "ext" {
		return p.to
	}
	if p.port == servicePort {
		return "host"
	}
	return published[p.port].container
}

// questions returns every probe of the topology.
func questions(a *atlas) []probe {
	var all []probe
	ask := func(from, to string, ports ...string) {
		for family, addr := range a.addrs[to] {
			for _, port := range ports {
				if addr.IsValid() {
					all = append(all, probe{from, family, to, port})
				}
			}
		}
	}
	var hostPorts []string
	for port := range published {
		hostPorts = append(hostPorts, port)
	}
	for _, from := range append([]string{"ext", "host", "host-lo"}, a.names...) {
		for _, to := range a.names {
			if to != from {
				ask(from, to, endpointPorts...)
			}
		}
		ask(from, "host", append(hostPorts, servicePort)...)
		if from != "ext" {
			ask(from, "ext", servicePort)
		}
		switch {
		case from == "host-lo":
			ask(from, "loopback", hostPorts...)
			continue
		case from == "host":
			ask(from, "loopback", hostPorts...)
		case from != "ext":
			ask(from, "gw-"+a.networkOf[from], append(hostPorts, servicePort)...)
			continue
		}
		for _, n := range networks() {
			ask(from, "gw-"+n.spec.Name, append(hostPorts, servicePort)...)
		}
	}
	return all
}
