package plan

import (
	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/portmap"
)

// A Check tells whether a port of the host may be published: nil, or why not.
type Check func(portmap.Claim) error

// attempts is how many host ports are tried where there is a choice, as in
// Docker.
const attempts = 10

// Publish publishes ports of an endpoint that check lets pass. Where the host
// port is left open, another one is tried.
func Publish(e bridge.EndpointTx, tx *bridge.Tx, scope bridge.Scope, check Check, ports ...portmap.Binding) error {
	there := map[*bridge.Binding]bool{}
	for b := range e.Bindings() {
		there[b] = true
	}
	for attempt := 1; ; attempt++ {
		e.PublishWithin(scope, ports...)
		open, refused := refusedOf(e, there, check)
		if err := tx.Err(); err != nil || refused == nil {
			return err
		}
		if !open || attempt == attempts {
			return refused
		}
		e.Unpublish(ports...)
	}
}

// refusedOf says why one of an endpoint's new bindings is refused, and whether
// its host port was left open.
func refusedOf(e bridge.EndpointTx, old map[*bridge.Binding]bool, check Check) (open bool, err error) {
	for b := range e.Bindings() {
		if old[b] {
			continue
		}
		for _, c := range b.Claims() {
			if refused := check(c); refused != nil && (err == nil || !b.Port.Dynamic()) {
				err, open = refused, b.Port.Dynamic()
			}
		}
	}
	return open, err
}
