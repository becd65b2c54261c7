package endurance

import (
	"flag"
	"testing"
	"time"

	"github.com/seawall-net/seawall/internal/netlab"
)

// The defaults are for every day; make flood and make soak are for long ones.
var (
	layoutName    = flag.String("layout", "native", "the layout of the firewall")
	floodUpdates  = flag.Int("flood.updates", 60, "random updates during the flood")
	floodRestarts = flag.Int("flood.restarts", 6, "restarts with adoption during the flood")
	floodPackets  = flag.Int64("flood.packets", 10_000, "packets of each kind, allowed and forbidden, at least")
	soakFor       = flag.Duration("soak.for", 4*time.Second, "how long random facts, damage and restarts go on")
	seed          = flag.Uint64("seed", 0, "repeat a run; 0 chooses")
)

// The tests run in a network namespace of their own, as root or not.
func TestMain(m *testing.M) { netlab.Main(m) }
