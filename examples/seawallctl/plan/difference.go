package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/examples/seawallctl/document"
	"github.com/seawall-net/seawall/portmap"
)

// A difference is a plan that is being made.
type difference struct {
	*Plan
	have, want *bridge.View
	// keptNetworks and kept are the networks and endpoints that are in both views
	// and can change in place.
	keptNetworks, kept map[string]bool
}

// endPublications ends what kept endpoints publish no longer, and their links.
func (d *difference) endPublications() {
	for n := range d.have.Networks() {
		for e := range d.have.Endpoints(n) {
			network, name := n.Spec.Name, e.Spec.Name
			there := d.want.Endpoint(network, name)
			if !d.kept[e.String()] {
				for b := range d.have.Bindings(e) {
					d.Lines = append(d.Lines, Line{"-", "publish", e.String(), Scoped(b)}) // goes with its endpoint
				}
				continue
			}
			wanted := count(d.want.Bindings(there), Scoped)
			for b := range d.have.Bindings(e) {
				if wanted.take(Scoped(b)) {
					continue
				}
				d.add(Line{"-", "publish", e.String(), Scoped(b)}, step{network: network, endpoint: name, do: func(tx *bridge.Tx) {
					tx.Network(network).Endpoint(name).Unpublish(b.Port)
				}})
			}
			links := count(d.want.Links(there), (*bridge.ContainerLink).String)
			for l := range d.have.Links(e) {
				if links.take(l.String()) || !d.kept[l.To.String()] {
					continue
				}
				d.add(linkLine("-", l), step{network: network, endpoint: name, do: func(tx *bridge.Tx) {
					tx.Network(network).Endpoint(name).Unlink(l.To.Spec.Name, l.Port)
				}})
			}
		}
	}
}

// endEndpoints removes endpoints and networks that are not kept.
func (d *difference) endEndpoints() {
	for n := range d.have.Networks() {
		network := n.Spec.Name
		for e := range d.have.Endpoints(n) {
			line := Line{"-", "endpoint", e.String(), addresses(e)}
			switch {
			case d.kept[e.String()]:
			case !d.keptNetworks[network]:
				d.Lines = append(d.Lines, line) // goes with its network
			default:
				d.add(line, step{network: network, endpoint: e.Spec.Name, do: func(tx *bridge.Tx) {
					tx.Network(network).Detach(e.Spec.Name)
				}})
			}
		}
		if !d.keptNetworks[network] {
			d.add(Line{"-", "network", network, subnets(n)}, step{network: network, do: func(tx *bridge.Tx) { tx.RemoveNetwork(network) }})
		}
	}
}

// networks changes those that are kept, and creates the others.
func (d *difference) networks() {
	for n := range d.want.Networks() {
		network := n.Spec.Name
		if !d.keptNetworks[network] {
			d.add(Line{"+", "network", network, subnets(n)}, step{network: network, do: func(tx *bridge.Tx) { tx.CreateNetwork(n.Spec) }})
			continue
		}
		if changes := differs(document.ListNetwork(d.have.Network(network)), document.ListNetwork(n)); changes != "" {
			d.add(Line{"~", "network", network, changes}, step{network: network, do: func(tx *bridge.Tx) { tx.Network(network).Change(n.Spec) }})
		}
	}
}

// endpoints changes those that are kept, and attaches the others.
func (d *difference) endpoints() {
	for n := range d.want.Networks() {
		network := n.Spec.Name
		for e := range d.want.Endpoints(n) {
			s := step{network: network, endpoint: e.Spec.Name}
			if !d.kept[e.String()] {
				s.do = func(tx *bridge.Tx) { tx.Network(network).Attach(e.Spec) }
				d.add(Line{"+", "endpoint", e.String(), addresses(e)}, s)
			} else if old := d.have.Endpoint(network, e.Spec.Name); old.Spec.AllowSpoofing != e.Spec.AllowSpoofing {
				s.do = func(tx *bridge.Tx) { tx.Network(network).Endpoint(e.Spec.Name).Change(e.Spec) }
				d.add(Line{"~", "endpoint", e.String(), fmt.Sprintf("allow_spoofing: %v -> %v", old.Spec.AllowSpoofing, e.Spec.AllowSpoofing)}, s)
			}
		}
	}
}

// publish publishes what is not published yet: what leaves no choice first, so
// that no other is given the same port.
func (d *difference) publish() {
	var open []*bridge.Binding
	for n := range d.want.Networks() {
		for e := range d.want.Endpoints(n) {
			there := count(nothing, Scoped)
			if d.kept[e.String()] {
				there = count(d.have.Bindings(d.have.Endpoint(n.Spec.Name, e.Spec.Name)), Scoped)
			}
			for b := range d.want.Bindings(e) {
				switch {
				case there.take(Scoped(b)):
				case b.Port.Dynamic():
					open = append(open, b)
				default:
					d.publishAll(b)
				}
			}
		}
	}
	for len(open) > 0 {
		n := 1
		for n < len(open) && sameCall(open[0], open[n]) {
			n++
		}
		d.publishAll(open[:n]...)
		open = open[n:]
	}
}

func nothing(func(*bridge.Binding) bool) {}

// sameCall tells whether two open bindings belong together: those that differ in
// the host's address alone get the same port.
func sameCall(a, b *bridge.Binding) bool {
	return a.Endpoint == b.Endpoint && fmt.Sprint(a.Scope()) == fmt.Sprint(b.Scope())
}

// publishAll publishes bindings of one endpoint in one call.
func (d *difference) publishAll(all ...*bridge.Binding) {
	e := all[0].Endpoint
	network, name := e.Network.Spec.Name, e.Spec.Name
	var ports []portmap.Binding
	for _, b := range all {
		ports = append(ports, b.Port)
		d.Lines = append(d.Lines, Line{"+", "publish", e.String(), Scoped(b)})
	}
	d.NewBindings = append(d.NewBindings, all...)
	s := step{network: network, endpoint: name, binding: all[0], ports: ports}
	if !ports[0].Dynamic() {
		s.do = func(tx *bridge.Tx) { tx.Network(network).Endpoint(name).PublishWithin(all[0].Scope(), ports...) }
	}
	d.steps = append(d.steps, s)
}

// link makes the links that are not there yet.
func (d *difference) link() {
	for n := range d.want.Networks() {
		for e := range d.want.Endpoints(n) {
			var old *bridge.Endpoint
			if d.kept[e.String()] {
				old = d.have.Endpoint(n.Spec.Name, e.Spec.Name)
			}
			there := count(d.have.Links(old), (*bridge.ContainerLink).String)
			for l := range d.want.Links(e) {
				if d.kept[l.To.String()] && there.take(l.String()) {
					continue
				}
				d.add(linkLine("+", l), step{network: n.Spec.Name, endpoint: e.Spec.Name, do: func(tx *bridge.Tx) {
					tx.Network(n.Spec.Name).Endpoint(e.Spec.Name).Link(l.To.Spec.Name, l.Port)
				}})
			}
		}
	}
}

// A bag counts things by what they are.
type bag map[string]int

func count[T any](all func(func(T) bool), text func(T) string) bag {
	b := bag{}
	for x := range all {
		b[text(x)]++
	}
	return b
}

func (b bag) take(s string) bool {
	b[s]--
	return b[s] >= 0
}

func linkLine(op string, l *bridge.ContainerLink) Line {
	return Line{op, "link", l.From.String(), fmt.Sprintf("to %s %s", l.To.Spec.Name, l.Port)}
}

func addresses(e *bridge.Endpoint) string {
	var all []string
	if e.Spec.IPv4.IsValid() {
		all = append(all, e.Spec.IPv4.String())
	}
	if e.Spec.IPv6.IsValid() {
		all = append(all, e.Spec.IPv6.String())
	}
	return strings.Join(all, " ")
}

func subnets(n *bridge.Network) string {
	text := n.Spec.Bridge
	for _, g := range []bridge.Gateway{n.Spec.IPv4, n.Spec.IPv6} {
		if g.Subnet.IsValid() {
			text += fmt.Sprintf(" %s %s", g.Subnet, g.Mode)
		}
	}
	return text
}

// differs says which keys of two values of JSON differ, and how.
func differs(have, want any) string {
	old, now := map[string]string{}, map[string]string{}
	flatten(old, "", have)
	flatten(now, "", want)
	keys := maps.Clone(old)
	maps.Copy(keys, now)
	var changes []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if old[k] != now[k] {
			changes = append(changes, fmt.Sprintf("%s: %s -> %s", k, orNone(old[k]), orNone(now[k])))
		}
	}
	return strings.Join(changes, ", ")
}

func orNone(s string) string {
	if s == "" || s == `""` {
		return "none"
	}
	return strings.Trim(s, `"`)
}

// flatten notes the leaves of a value of JSON by their paths.
func flatten(to map[string]string, path string, v any) {
	text, _ := json.Marshal(v) // it was made for that
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil {
		to[path] = string(text)
		return
	}
	for k, v := range object {
		if path != "" {
			k = path + "." + k
		}
		flatten(to, k, v)
	}
}
