package bridge

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/portmap"
)

// Whatever is taken, given up, undone, rolled back and committed: the kernel has sockets for what holds, and while a Tx
// is open for what held before, unless that was in the way.
func TestSocketsFollowTheirModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			m := newSocketsModel(t, seed)
			for range 60 { // to list the kernel's sockets takes long
				m.transaction()
			}
			m.sockets.closeAll()
			if got := m.kernel(); len(got) > 0 {
				t.Errorf("all is closed, and there are %q", got)
			}
		})
	}
}

type socketsModel struct {
	t       *testing.T
	rnd     *rand.Rand
	host    *netlab.Namespace
	sockets *sockets
	claimed map[portmap.Claim]bool
}

func newSocketsModel(t *testing.T, seed uint64) *socketsModel {
	host := netlab.New(t).Namespace("host")
	m := &socketsModel{t: t, rnd: rand.New(rand.NewPCG(seed, 6)), host: host, claimed: map[portmap.Claim]bool{}}
	m.sockets = newSockets(host.File(), func(netip.Addr) bool { return false })
	return m
}

func (m *socketsModel) claim() portmap.Claim {
	addrs := []string{"0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1"}
	first := uint16(5000 + m.rnd.IntN(4))
	return portmap.Claim{
		Addr:  netip.MustParseAddr(addrs[m.rnd.IntN(len(addrs))]),
		Ports: portmap.Ports{First: first, Last: first + uint16(m.rnd.IntN(3))},
		Proto: portmap.Proto(m.rnd.IntN(2)),
	}
}

// free tells whether the index would let the claim pass.
func (m *socketsModel) free(c portmap.Claim) bool {
	for o := range m.claimed {
		if o.Proto == c.Proto && o.Addr.Is4() == c.Addr.Is4() && o.Ports.Overlaps(c.Ports) &&
			(o.Addr == c.Addr || o.Addr.IsUnspecified() || c.Addr.IsUnspecified()) {
			return false
		}
	}
	return true
}

func (m *socketsModel) transaction() {
	t, before := m.t, maps.Clone(m.claimed)
	err := m.sockets.inside(func() error {
		for range m.rnd.IntN(12) {
			m.step()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.rnd.IntN(4) == 0 {
		m.compare("in the middle", false)
	}
	if m.rnd.IntN(3) == 0 {
		if err := m.sockets.rollback(); err != nil {
			t.Fatal(err)
		}
		m.claimed = before
		m.compare("rolled back", true)
		return
	}
	m.sockets.commit()
	m.compare("committed", true)
}

// step takes a claim, gives one up, or does a few and thinks better of it.
func (m *socketsModel) step() {
	switch k := m.rnd.IntN(10); {
	case k < 5:
		c := m.claim()
		if !m.free(c) {
			return
		}
		if err := m.sockets.take([]portmap.Claim{c}); err != nil {
			m.t.Fatalf("take %v: %v", c, err)
		}
		m.claimed[c] = true
	case k < 9:
		for c := range m.claimed {
			m.sockets.release([]portmap.Claim{c})
			delete(m.claimed, c)
			break
		}
	default:
		mark, before := m.sockets.mark(), maps.Clone(m.claimed)
		for range m.rnd.IntN(4) {
			m.step()
		}
		m.sockets.undo(mark)
		m.claimed = before
	}
}

// kernel lists the sockets that there are, while no process is about to be started, which has copies of all.
func (m *socketsModel) kernel() []string {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	var out []string
	for _, s := range m.host.Listening() {
		out = append(out, s.String())
	}
	return out
}

// compare fails unless the kernel has what is claimed, and nothing else if the Tx is over.
func (m *socketsModel) compare(when string, over bool) {
	m.t.Helper()
	var want []string
	for c := range m.claimed {
		for p := range hostPorts(c) {
			want = append(want, fmt.Sprintf("%v %v", p.proto, netip.AddrPortFrom(p.addr, p.port)))
		}
	}
	slices.Sort(want)
	got := m.kernel()
	if over {
		if !slices.Equal(got, want) {
			m.t.Fatalf("%s: the kernel has\n%s\nwant\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if len(m.sockets.held) != len(want) || len(m.sockets.released)+len(m.sockets.log)+len(m.sockets.unheld) > 0 {
			m.t.Fatalf("%s: %d are held, want %d; %v, %v, %v", when, len(m.sockets.held), len(want),
				m.sockets.released, m.sockets.log, m.sockets.unheld)
		}
		return
	}
	for _, s := range want {
		if !slices.Contains(got, s) {
			m.t.Fatalf("%s: %s is not held: %q", when, s, got)
		}
	}
}
