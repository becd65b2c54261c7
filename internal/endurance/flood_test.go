package endurance

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// streams are what a town's packets are about: in both families, over ways that are allowed and over ways that are not.
func (w *town) streams() (out []*stream) {
	for i := range 2 {
		add := func(allowed bool, from, to, source string, port uint16) {
			s := &stream{
				name: fmt.Sprintf("%s to %s", from, netip.AddrPortFrom(addrs[to][i], port)), allowed: allowed,
				from: w.spaces[from], to: netip.AddrPortFrom(addrs[to][i], port),
			}
			if allowed {
				s.source = addrs[source][i]
			}
			out = append(out, s)
		}
		add(true, "ext", "host", "ext", published)    // published
		add(true, "db1", "host", "gw-web", published) // from another network
		add(true, "web1", "ext", "host", service)     // masqueraded
		add(true, "web2", "web1", "web2", secret)     // on the bridge
		add(false, "ext", "web1", "", published)      // past the host's address
		add(false, "ext", "web1", "", secret)         // unpublished
		add(false, "ext", "int1", "", secret)         // internal
		add(false, "db1", "web1", "", secret)         // isolated
		add(false, "db1", "web1", "", published)      // isolated, published elsewhere
		add(false, "int1", "ext", "", service)        // out of an internal network
		add(false, "int1", "host", "", published)     // the same, to a published port
		add(false, "web1", "int1", "", secret)        // into an internal network
	}
	return out
}

// Packets over allowed and forbidden ways, without pause, while the firewall is updated and restarted at random: of
// the first none is lost, and of the others none arrives.
func TestFloodDuringUpdatesAndRestarts(t *testing.T) {
	w := newTown(t)
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed %d", s)
	f := w.flood()
	c := newChurn(rand.New(rand.NewPCG(s, 1)))
	pause := max(1, *floodUpdates/max(1, *floodRestarts))
	for i := range *floodUpdates {
		w.update(c.step)
		if i%pause == pause-1 {
			w.restart()
		}
	}
	f.end(*floodPackets)
}

// A flood is all streams of a town, and connections that last.
type flood struct {
	*hub
	enough  atomic.Int64 // packets for each stream, once they may end
	senders sync.WaitGroup
	clients []*client
	// tolerated is how many forbidden packets may have arrived.
	tolerated int64
}

// delivered counts the forbidden packets that have arrived.
func (f *flood) delivered() (n int64) {
	for _, s := range f.streams {
		if !s.allowed {
			n += s.received.Load()
		}
	}
	return n
}

func (w *town) flood() *flood {
	w.t.Helper()
	f := &flood{hub: &hub{t: w.t, streams: w.streams()}}
	w.t.Cleanup(f.close)
	f.enough.Store(1 << 62)
	f.sinks(w)
	f.clients = w.clients()
	for id, s := range f.streams {
		f.senders.Go(func() {
			s.run(uint16(id), func(sent int64) bool {
				f.pace(s)
				return sent >= f.enough.Load()
			})
		})
	}
	for _, c := range f.clients {
		f.senders.Go(func() { c.run(func() bool { return f.enough.Load() < 1<<62 }) })
	}
	return f
}

// sinks receive wherever a stream leads.
func (f *flood) sinks(w *town) {
	f.t.Helper()
	for _, s := range []struct {
		name  string
		ports []uint16
	}{{"ext", []uint16{service}}, {"web1", []uint16{published, secret}}, {"int1", []uint16{secret}}, {"host", []uint16{secret}}} {
		for _, port := range s.ports {
			f.sink(w.spaces[s.name], port)
		}
	}
}

// pace keeps a stream from running away from the slowest that is allowed: whoever need not wait for an arrival is faster.
func (f *flood) pace(s *stream) {
	slowest := func() int64 {
		n := f.enough.Load()
		for _, other := range f.streams {
			if other.allowed {
				n = min(n, other.sent.Load())
			}
		}
		return n
	}
	for s.sent.Load() > slowest()+5*perSocket && s.sent.Load() < f.enough.Load() {
		time.Sleep(time.Millisecond)
	}
}

// trickle sends over ways that are forbidden, with rests in between.
func (w *town) trickle() *flood {
	w.t.Helper()
	all := w.streams()
	f := &flood{hub: &hub{t: w.t, streams: slices.DeleteFunc(all, func(s *stream) bool { return s.allowed })}}
	w.t.Cleanup(f.close)
	f.enough.Store(1 << 62)
	f.sinks(w)
	for id, s := range f.streams {
		f.senders.Go(func() {
			s.run(uint16(id), func(sent int64) bool {
				time.Sleep(20 * time.Millisecond)
				return sent >= f.enough.Load()
			})
		})
	}
	return f
}

// end waits until enough has been sent, and tells what became of it.
func (f *flood) end(packets int64) {
	f.t.Helper()
	kinds := map[bool]int64{}
	for _, s := range f.streams {
		kinds[s.allowed]++
	}
	f.enough.Store(packets/max(1, min(kinds[true], kinds[false])) + 1)
	f.senders.Wait()
	time.Sleep(100 * time.Millisecond) // for the last of what must not arrive
	var sent, received [2]int64
	for _, s := range f.streams {
		kind := 0
		if s.allowed {
			kind = 1
		}
		sent[kind] += s.sent.Load()
		received[kind] += s.received.Load()
		switch {
		case s.err != nil:
			f.t.Errorf("%s: %v", s.name, s.err)
		case s.allowed && (s.lost.Load() > 0 || s.received.Load() != s.sent.Load()):
			f.t.Errorf("%s: %d of %d packets arrived", s.name, s.received.Load(), s.sent.Load())
		case s.wrong.Load() > 0:
			f.t.Errorf("%s: %d packets came from another address than %s", s.name, s.wrong.Load(), s.source)
		case !s.allowed && s.received.Load() > 0 && received[0] > f.tolerated:
			f.t.Errorf("%s: %d of %d packets arrived, which is forbidden", s.name, s.received.Load(), s.sent.Load())
		}
	}
	var turns int64
	for _, c := range f.clients {
		turns += c.turns
		if c.err != nil || c.turns == 0 {
			f.t.Errorf("connection to %s: after %d turns: %v", c.to, c.turns, c.err)
		}
	}
	f.t.Logf("allowed: %d sent, %d lost; forbidden: %d sent, %d delivered; %d turns over connections that lasted",
		sent[1], sent[1]-received[1], sent[0], received[0], turns)
}

// A client has one TCP connection, by which it is echoed.
type client struct {
	to    netip.AddrPort
	conn  net.Conn
	turns int64
	err   error
}

// clients connect to the published port, one in each family.
func (w *town) clients() (out []*client) {
	w.t.Helper()
	for i, a := range addrs["host"] {
		l, err := w.spaces["web1"].ListenTCP(netip.AddrPortFrom(addrs["web1"][i], published).String())
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = l.Close() })
		go echo(l)
		c := &client{to: netip.AddrPortFrom(a, published)}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		c.conn, err = w.spaces["ext"].DialContext(ctx, "tcp", c.to.String())
		cancel()
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = c.conn.Close() })
		out = append(out, c)
	}
	return out
}

// echo sends back what each connection brings.
func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(c, c) }()
	}
}

func (c *client) run(enough func() bool) {
	var b [8]byte
	for !enough() && c.err == nil {
		_ = c.conn.SetDeadline(time.Now().Add(patience))
		if _, c.err = c.conn.Write(b[:]); c.err == nil {
			_, c.err = io.ReadFull(c.conn, b[:])
		}
		c.turns++
	}
}
