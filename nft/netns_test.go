package nft

import (
	"os"
	"testing"

	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/internal/netns"
)

// The tests run in a network namespace of their own, as root or not.
func TestMain(m *testing.M) { netlab.Main(m) }

// newNetNS makes a network namespace that lives as long as the test.
func newNetNS(t testing.TB) *os.File {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return ns
}
