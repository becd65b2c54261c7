package bridge_test

import (
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// Flows that other options led to the host are led to containers once the options are changed.
func TestFlowsFollowTheOptions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg   bridge.Config
		flows string
	}{
		"proxy": {bridge.Config{UserlandProxy: true}, `
			host  udp4  loopback:8080  host sees loopback | a1 sees gw-a
			a2    udp   host:8080      host sees a2       | a1 sees gw-a
			ext   udp   host:8080      a1 sees ext        | a1 sees ext
			ext   udp   host:8089      host sees ext      | host sees ext
		`},
		"disabled": {bridge.Config{DisableIPv4: true, DisableIPv6: true}, `
			host  udp4  loopback:8080  host sees loopback | a1 sees gw-a
			a2    udp   host:8080      host sees a2       | a1 sees gw-a
			ext   udp   host:8080      host sees ext      | a1 sees ext
			ext   udp   host:8089      host sees ext      | host sees ext
		`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.cfg.UnheldPorts = true // the host has servers of its own there
			w := twoNetworks(t, c.cfg)
			w.serve("host", 8080, 8089)
			w.patientTracking()
			w.trackElsewhere()
			clients := w.clients(c.flows)
			clients.ask()
			w.cfg.UserlandProxy, w.cfg.DisableIPv4, w.cfg.DisableIPv6 = false, false, false
			w.reopen()
			clients.ask()
		})
	}
}
