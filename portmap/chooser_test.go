package portmap

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func ephemeral(t testing.TB, ports, reserved string) Ephemeral {
	t.Helper()
	e, err := ParseEphemeral(ports, reserved)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func candidates(c *Chooser, spec string, e Ephemeral) []Ports {
	return slices.Collect(c.Candidates(MustParse(spec), e))
}

// choose takes the first candidate, as if all were free.
func choose(c *Chooser, spec string, e Ephemeral) (p Ports) {
	for p = range c.Candidates(MustParse(spec), e) {
		break
	}
	return p
}

func TestCandidates(t *testing.T) {
	e := ephemeral(t, "100 106", "50-100,103,106-200")
	for _, c := range []struct {
		spec string
		want []Ports
	}{
		{"80", []Ports{Port(101), Port(102), Port(104), Port(105)}},
		{"[::1]::80/udp", []Ports{Port(101), Port(102), Port(104), Port(105)}},
		{"80-81", []Ports{{101, 102}, {104, 105}}},
		{"80-82", nil},
		// Who names ports means them, reserved or not.
		{"102-104:80", []Ports{Port(102), Port(103), Port(104)}},
		{"65534-65535:80", []Ports{Port(65534), Port(65535)}},
		// No choice.
		{"103:80", []Ports{Port(103)}},
		{"8000-8001:80-81", []Ports{{8000, 8001}}},
	} {
		if got := candidates(&Chooser{}, c.spec, e); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.spec, got, c.want)
		}
	}
	if got := candidates(&Chooser{}, "80", Ephemeral{}); got != nil {
		t.Errorf("out of no ports: %v", got)
	}
	if got := candidates(&Chooser{}, "1-65535", ephemeral(t, "1 65535", "")); !slices.Equal(got, []Ports{{1, 65535}}) {
		t.Errorf("all ports: %v", got)
	}
}

// A search begins where the last one of the same range ended.
func TestChooserGoesRound(t *testing.T) {
	var c Chooser
	e := ephemeral(t, "100 104", "101")
	for i, want := range []uint16{100, 102, 103, 104, 100, 102} {
		if got := choose(&c, "80", e); got != Port(want) {
			t.Errorf("%d: %v, want %d", i, got, want)
		}
	}
	// Other protocols and ranges go round by themselves.
	for _, want := range []uint16{8000, 8001, 8002, 8000} {
		if got := choose(&c, "8000-8002:80", e); got != Port(want) {
			t.Errorf("range: %v, want %d", got, want)
		}
	}
	if got := choose(&c, "80/udp", e); got != Port(100) {
		t.Errorf("udp: %v", got)
	}
	if got := choose(&c, "127.0.0.1::81", e); got != Port(103) {
		t.Errorf("another address: %v", got)
	}
	// A search that was in vain has seen everything once, and the next begins
	// anew.
	if got, want := candidates(&c, "80", e), []Ports{Port(104), Port(100), Port(102), Port(103)}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// Blocks do not overlap as long as there is room.
	e = ephemeral(t, "100 107", "")
	c = Chooser{}
	for i, want := range []Ports{{100, 102}, {103, 105}, {100, 102}} {
		if got := choose(&c, "80-82", e); got != want {
			t.Errorf("block %d: %v, want %v", i, got, want)
		}
	}
}

// Whatever was chosen before, the candidates are exactly the blocks that fit,
// each once.
func TestCandidatesAreAllThatFit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var c Chooser
		first := 1 + rnd.IntN(60)
		if rnd.IntN(4) == 0 {
			first = 65500 + rnd.IntN(36)
		}
		e := Ephemeral{ports: Ports{uint16(first), uint16(min(65535, first+rnd.IntN(30)))}}
		var kept [1 << 16]bool
		for range rnd.IntN(4) {
			from := max(1, first-5+rnd.IntN(30))
			p := Ports{uint16(min(from, 65535)), uint16(min(from+rnd.IntN(6), 65535))}
			e.reserved = append(e.reserved, p)
			for port := int(p.First); port <= int(p.Last); port++ {
				kept[port] = true
			}
		}
		e.reserved = merge(e.reserved)
		for range 5 {
			b := Binding{Container: Ports{80, uint16(80 + rnd.IntN(4))}}
			among := e.ports
			if rnd.IntN(2) == 0 {
				b.Container = Port(80)
				b.Host = Ports{e.ports.First, uint16(min(65535, int(e.ports.First)+1+rnd.IntN(9)))}
				among = b.Host
			}
			var want []Ports
			for at := int(among.First); at+b.Container.Len()-1 <= int(among.Last); at++ {
				block := Ports{uint16(at), uint16(at + b.Container.Len() - 1)}
				if b.Host.IsZero() && slices.Contains(kept[at:int(block.Last)+1], true) {
					continue
				}
				want = append(want, block)
			}
			if b.Host.Len() == 1 { // no choice after all
				want = []Ports{b.Host}
			}
			got := slices.SortedFunc(c.Candidates(b, e), func(p, q Ports) int { return int(p.First) - int(q.First) })
			if !slices.Equal(got, want) {
				t.Fatalf("%v among %v: %v, want %v", b, e, got, want)
			}
			for range rnd.IntN(5) { // the next search begins elsewhere
				for range c.Candidates(b, e) {
					break
				}
			}
		}
	}
}
