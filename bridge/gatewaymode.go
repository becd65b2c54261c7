package bridge

import "fmt"

// A GatewayMode says, for one family of a network, what the world outside sees
// of its endpoints. The names are Docker's.
type GatewayMode uint8

const (
	// NAT hides the endpoints behind the host: only published ports are
	// reached, by the host's addresses. It is the zero value.
	NAT GatewayMode = iota
	// NATUnprotected is NAT, but whoever has a route to the subnet reaches every
	// port of every endpoint.
	NATUnprotected
	// Routed translates nothing: whoever has a route to the subnet reaches
	// published ports by the endpoints' own addresses, and may ping them.
	// What a publication says about the host is without effect.
	Routed
	// Isolated is for internal networks: the host has no address on the bridge
	// either.
	Isolated
)

var gatewayModes = [...]string{NAT: "nat", NATUnprotected: "nat-unprotected", Routed: "routed", Isolated: "isolated"}

func (m GatewayMode) valid() bool { return int(m) < len(gatewayModes) }

// String returns Docker's name: "nat", "nat-unprotected", "routed" or "isolated".
func (m GatewayMode) String() string {
	if !m.valid() {
		return fmt.Sprintf("mode(%d)", uint8(m))
	}
	return gatewayModes[m]
}

// ParseGatewayMode reads a name that String returns.
func ParseGatewayMode(name string) (GatewayMode, error) {
	for m, known := range gatewayModes {
		if name == known {
			return GatewayMode(m), nil
		}
	}
	return 0, fmt.Errorf("bridge: gateway mode %q: must be nat, nat-unprotected, routed or isolated: %w", name, errInvalid)
}

// MarshalText returns the name. It fails for a value that is none of the
// constants.
func (m GatewayMode) MarshalText() ([]byte, error) {
	if !m.valid() {
		return nil, fmt.Errorf("bridge: gateway %s: %w", m, errInvalid)
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads a name as ParseGatewayMode does.
func (m *GatewayMode) UnmarshalText(text []byte) error {
	parsed, err := ParseGatewayMode(string(text))
	if err == nil {
		*m = parsed
	}
	return err
}
