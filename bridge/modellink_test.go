package bridge

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/seawall-net/seawall/portmap"
)

// A modelLink is a link between two endpoints of a network.
type modelLink struct {
	from, to int
	port     LinkPort
}

func (l modelLink) String(network string) string {
	return fmt.Sprintf("%s/%s to %s/%s %s", network, modelName("end", l.from), network, modelName("end", l.to), l.port)
}

// without is the network without the links of an endpoint.
func (n modelNetwork) without(e int) modelNetwork {
	n.links = slices.DeleteFunc(slices.Clone(n.links), func(l modelLink) bool { return l.from == e || l.to == e })
	return n
}

// stepLink links two endpoints, or ends a link.
func (m model) stepLink(rnd *rand.Rand, tx *Tx, n int) (bad bool) {
	net := m[n]
	from, some := pick(rnd, net.endpoints)
	to, _ := pick(rnd, net.endpoints)
	if !some {
		return false
	}
	end := tx.Network(modelName("net", n)).Endpoint(modelName("end", from))
	if i := rnd.IntN(10); i < len(net.links) && net.links[i].from == from {
		l := net.links[i]
		if rnd.IntN(4) == 0 {
			end.Unlink(modelName("end", l.to))
			net.links = slices.DeleteFunc(slices.Clone(net.links), func(other modelLink) bool { return other.from == l.from && other.to == l.to })
		} else {
			end.Unlink(modelName("end", l.to), l.port)
			net.links = slices.Delete(slices.Clone(net.links), i, i+1)
		}
		m[n] = net
		return false
	}
	first := uint16(80 + rnd.IntN(3))
	l := modelLink{from, to, LinkPort{portmap.Ports{First: first, Last: first + uint16(rnd.IntN(3))}, portmap.Proto(rnd.IntN(3))}}
	bad = from == to || slices.Contains(net.links, l)
	if bad && rnd.IntN(4) > 0 {
		return false
	}
	end.Link(modelName("end", to), l.port)
	net.links = append(slices.Clone(net.links), l)
	m[n] = net
	return bad
}
