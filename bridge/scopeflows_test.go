package bridge_test

import (
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// Who is out of scope now is so with the flows of before, too. Flows do not tell by which interface they came: those of
// before a scope of an interface end, and those in scope begin again with their next packet.
func TestScopesHoldForFlows(t *testing.T) {
	t.Parallel()
	w := twoLANs(t, bridge.Config{})
	w.patientTracking()
	specs := ports("8080:80", "8080:80/udp")
	w.publish("a", "a1", "8080:80", "8080:80/udp", "9090:80", "9090:80/udp")
	replace := func(s bridge.Scope) {
		w.update(func(tx *bridge.Tx) {
			a1 := tx.Network("a").Endpoint("a1")
			a1.Unpublish(specs...)
			a1.PublishWithin(s, specs...)
		})
	}
	c := w.clients(`
		ext   udp      host:8080  a1 sees ext  | a1 sees ext  | a1 sees ext  | a1 sees ext
		far   udp      host:8080  a1 sees far  | ` + outside + ` | ` + outside + ` | a1 sees far
		b1    udp      host:8080  a1 sees gw-a | ` + outside + ` | ` + outside + ` | a1 sees gw-a
		ext   tcp      host:8080  a1 sees ext  | a1 sees ext  | a1 sees ext  | a1 sees ext
		far   tcp      host:8080  a1 sees far  | reset        | ` + outside + ` | a1 sees far
		ext   tcp,udp  host:9090  a1 sees ext  | a1 sees ext  | a1 sees ext  | a1 sees ext
		far   tcp,udp  host:9090  a1 sees far  | a1 sees far  | a1 sees far  | a1 sees far
	`)
	c.ask()
	replace(scope("", lanPrefixes...))
	c.ask()
	replace(scope("eth0"))
	c.ask()
	replace(bridge.Scope{})
	c.ask()
}

// A link that went takes its flows along.
func TestFlowsEndWithTheirContainerLink(t *testing.T) {
	t.Parallel()
	w := linkable(t, func(*bridge.NetworkSpec) {})
	w.filterBridges(filterOn)
	w.patientTracking()
	w.link("a", "a1", "a2", "80-81", "80-81/udp", "81", "81/udp")
	c := w.clients(`
		a1   udp4,tcp4 a2:80  a2 sees a1 | silent     | silent
		a1   udp4,tcp4 a2:81  a2 sees a1 | a2 sees a1 | silent
	` + map[bool]string{false: `
		a1   udp6,tcp6 a2:80  a2 sees a1 | silent     | silent
		a1   udp6,tcp6 a2:81  a2 sees a1 | a2 sees a1 | silent
	`}[w.differs("links-of-ipv4", 1)] + `
	`)
	c.ask()
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Unlink("a2", linkPorts("80-81", "80-81/udp")...) })
	c.ask()
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Unlink("a2") })
	c.ask()
}
