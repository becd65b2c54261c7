package conformance

import (
	"testing"

	"github.com/seawall-net/seawall/internal/netlab"
)

// The tests run in a network namespace of their own, as root or not.
func TestMain(m *testing.M) { netlab.Main(m) }
