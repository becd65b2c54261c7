package endurance

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A churn makes random updates that are none of a town's packets' business: other networks, endpoints and ports come and
// go, beside those that the packets are about and in the same networks.
type churn struct {
	rnd      *rand.Rand
	networks map[byte]bool
	guests   map[string]bool            // endpoints of web and db
	ports    map[string]portmap.Binding // what they publish
	rules    int                        // the user's
}

func newChurn(rnd *rand.Rand) *churn {
	return &churn{rnd: rnd, networks: map[byte]bool{}, guests: map[string]bool{}, ports: map[string]portmap.Binding{}}
}

// step does one to four random things in one update.
func (c *churn) step(tx *bridge.Tx) error {
	for range 1 + c.rnd.IntN(4) {
		switch c.rnd.IntN(8) {
		case 0:
			c.network(tx)
		case 1, 2:
			c.guest(tx)
		case 3:
			c.rule(tx)
		default:
			c.port(tx)
		}
	}
	return tx.Err()
}

// network makes one, with an endpoint that publishes, or removes it.
func (c *churn) network(tx *bridge.Tx) {
	n := byte(10 + c.rnd.IntN(6))
	name := fmt.Sprint("net", n)
	if c.networks[n] {
		tx.RemoveNetwork(name)
		delete(c.networks, n)
		return
	}
	s := spec(name, n)
	s.Internal = c.rnd.IntN(3) == 0
	s.DisableICC = c.rnd.IntN(3) == 0 && !s.Internal
	s.DisableMasquerade = c.rnd.IntN(4) == 0
	tx.CreateNetwork(s).Attach(bridge.EndpointSpec{Name: "one", IPv4: host(s.IPv4, 2), IPv6: host(s.IPv6, 2)}).
		Publish(portmap.MustParse(fmt.Sprintf("%d:80", 21000+int(n))), portmap.MustParse(fmt.Sprintf("%d-%d:80-89/udp", 22000+100*int(n), 22009+100*int(n))))
	c.networks[n] = true
}

// host is an address of a network.
func host(g bridge.Gateway, n byte) netip.Addr {
	b := g.Subnet.Addr().AsSlice()
	b[len(b)-1] = n
	a, _ := netip.AddrFromSlice(b)
	return a
}

// guest attaches an endpoint to one of the networks that the packets are about, or detaches it.
func (c *churn) guest(tx *bridge.Tx) {
	n := byte(1 + c.rnd.IntN(2))
	network := []string{"web", "db"}[n-1]
	i := byte(10 + c.rnd.IntN(10))
	name := fmt.Sprintf("%s/guest%d", network, i)
	if c.guests[name] {
		tx.Network(network).Detach(fmt.Sprint("guest", i))
		delete(c.guests, name)
		delete(c.ports, name)
		return
	}
	s := spec(network, n)
	tx.Network(network).Attach(bridge.EndpointSpec{Name: fmt.Sprint("guest", i), IPv4: host(s.IPv4, i), IPv6: host(s.IPv6, i)})
	c.guests[name] = true
}

// port publishes a guest's port, or takes it back.
func (c *churn) port(tx *bridge.Tx) {
	n := byte(1 + c.rnd.IntN(2))
	network := []string{"web", "db"}[n-1]
	i := byte(10 + c.rnd.IntN(10))
	name := fmt.Sprintf("%s/guest%d", network, i)
	if !c.guests[name] {
		return
	}
	e := tx.Network(network).Endpoint(fmt.Sprint("guest", i))
	if b, published := c.ports[name]; published {
		e.Unpublish(b)
		delete(c.ports, name)
		return
	}
	b := portmap.MustParse(fmt.Sprintf("%d:80/%s", 30000+1000*int(n)+int(i), []string{"tcp", "udp"}[c.rnd.IntN(2)]))
	if c.rnd.IntN(3) == 0 {
		b.HostAddr = addrs["host"][0]
	}
	e.Publish(b)
	c.ports[name] = b
}

// rule puts a rule into DOCKER-USER that matches nothing, or throws all of them out.
func (c *churn) rule(tx *bridge.Tx) {
	if c.rules > 5 {
		tx.UserChain().Flush()
		c.rules = 0
		return
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		tx.UserChain(f).Append(bridge.UserRule{Family: f, Statements: []nft.Statement{nft.IIFName.Eq("nobody0"), nft.Drop()}})
	}
	c.rules++
}

// clear removes all that the churn has made.
func (c *churn) clear(tx *bridge.Tx) error {
	for n := range c.networks {
		tx.RemoveNetwork(fmt.Sprint("net", n))
	}
	for name := range c.guests {
		network, guest, _ := strings.Cut(name, "/")
		tx.Network(network).Detach(guest)
	}
	tx.UserChain().Flush()
	clear(c.networks)
	clear(c.guests)
	clear(c.ports)
	c.rules = 0
	return tx.Err()
}
