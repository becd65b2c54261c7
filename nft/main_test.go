package nft

import (
	"testing"

	"github.com/seawall-net/seawall/internal/netlab"
)

// The tests run in private namespaces, as root there: they need no privileges.
func TestMain(m *testing.M) { netlab.Main(m) }
