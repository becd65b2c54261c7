package endurance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// Random facts, damage and restarts for as long as is asked for. The laws hold throughout, nothing that is forbidden
// gets anywhere, and what the process holds does not grow.
func TestSoak(t *testing.T) {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed %d", s)
	rnd := rand.New(rand.NewPCG(s, 2))
	w := newTown(t)
	w.cfg.Watch = bridge.WatchConfig{MinDelay: 50 * time.Millisecond, MaxDelay: 200 * time.Millisecond}
	w.restart()
	f := w.trickle()
	soak := &soak{town: w, rnd: rnd, churn: newChurn(rnd), vandal: newVandal(w, rnd), flood: f}
	soak.watch()
	defer soak.unwatch()

	var early gauge
	end := time.Now().Add(*soakFor)
	for turn := 0; time.Now().Before(end); turn++ {
		if turn == 0 { // whatever there is time for
			soak.update(soak.churn.step)
			soak.updates++
			soak.damage()
		}
		soak.turn()
		if turn%20 == 0 {
			soak.check()
		}
		if left := time.Until(end); early == (gauge{}) && left < *soakFor*3/4 {
			early = soak.gauge()
		}
	}
	soak.check()
	if grown := soak.gauge().grown(early); len(grown) > 0 {
		t.Errorf("the process holds more and more: %q", grown)
	}
	soak.unwatch()
	f.tolerated = soak.tolerated
	f.end(0)
	t.Logf("%d updates, %d restarts, %d acts of damage, %d repairs told; %v, after a quarter of the time %v",
		soak.updates, soak.restarts, soak.damages, soak.repairs, soak.gauge(), early)
}

type soak struct {
	*town
	rnd    *rand.Rand
	churn  *churn
	vandal *vandal

	updates, restarts, damages int
	flood                      *flood
	// tolerated counts what passed while a part of the rules was missing.
	tolerated int64

	leave func()
	ended chan struct{}
	mu    sync.Mutex
	// repairs counts what Watch tells, and failed is what it could not do.
	repairs int
	failed  []bridge.Event
	err     error
}

// watch watches in the background, as a daemon does.
func (s *soak) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan struct{})
	s.leave, s.ended = cancel, ended
	go func(fw *bridge.Firewall) {
		defer close(ended)
		for e, err := range fw.Watch(ctx) {
			s.mu.Lock()
			switch {
			case err != nil:
				s.err = err
			case e.Kind == bridge.Repaired:
				s.repairs++
			case e.Kind == bridge.Failed:
				s.failed = append(s.failed, e)
			}
			s.mu.Unlock()
			if e.Kind == bridge.Watching {
				close(ready)
			}
		}
	}(s.fw)
	select {
	case <-ready:
	case <-ended:
	}
}

func (s *soak) unwatch() {
	s.t.Helper()
	s.leave()
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		s.t.Fatalf("watch: %v", s.err)
	}
}

// turn does one thing of many.
func (s *soak) turn() {
	s.t.Helper()
	switch s.rnd.IntN(10) {
	case 0:
		s.damage()
	case 1:
		s.unwatch()
		s.restart()
		s.restarts++
		s.watch()
	case 2:
		s.thereAndBack()
	default:
		s.update(s.churn.step)
		s.updates++
	}
}

// damage has the vandal break something, and waits for the repair. Where all rules of a family go at once, the anchor keeps
// closed what they kept closed. Where only some go, the others vouch for them, and until the repair something may pass.
func (s *soak) damage() {
	s.t.Helper()
	before := s.flood.delivered()
	what := s.vandal.strike()
	s.damages++
	s.healed(what)
	if n := s.flood.delivered() - before; n > 0 {
		s.t.Logf("%s: %d forbidden packets passed before the repair", what, n)
	}
	time.Sleep(20 * time.Millisecond) // for what is on its way
	passed := s.flood.delivered() - before
	if whole := what == deleteAll || strings.HasPrefix(what, deleteTable) && *layoutName == "native"; whole && passed > 0 {
		s.t.Errorf("%s: %d forbidden packets passed", what, passed)
	}
	s.tolerated += passed
}

// thereAndBack adds facts and removes them: then the ruleset is as it was.
func (s *soak) thereAndBack() {
	s.t.Helper()
	before := s.fw.Desired()
	s.update(func(tx *bridge.Tx) error {
		n := spec("passing", 99)
		tx.CreateNetwork(n).Attach(bridge.EndpointSpec{Name: "one", IPv4: host(n.IPv4, 2), IPv6: host(n.IPv6, 2)})
		return nil
	})
	s.update(func(tx *bridge.Tx) error { tx.RemoveNetwork("passing"); return nil })
	if d := nft.Diff(before, s.fw.Desired()); d.Len() > 0 {
		s.t.Fatalf("there and back is another ruleset: %s", d)
	}
}

// healed waits until the kernel has again what it should.
func (s *soak) healed(what string) {
	s.t.Helper()
	late := time.After(time.Minute)
	for {
		missing := s.difference()
		if missing == "" {
			return
		}
		select {
		case <-late:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.t.Fatalf("not repaired: %s: %s; failures: %v", what, missing, s.failed)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// difference is what the kernel has and should not, or should and has not.
func (s *soak) difference() string {
	s.t.Helper()
	have, err := s.fw.Ruleset(context.Background())
	if errors.Is(err, nft.ErrGeneration) {
		return "somebody is writing"
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for _, t := range have.Tables() {
		t.Open = true // the user's, and what watches, may have something there
	}
	return nft.Diff(have, s.fw.Desired()).String()
}

// check holds the laws to what is there now.
func (s *soak) check() {
	s.t.Helper()
	s.healed("check")
	// An update that changes nothing writes nothing.
	before := s.fw.Generation()
	s.update(func(tx *bridge.Tx) error { return tx.Err() })
	if after := s.fw.Generation(); after != before {
		s.t.Fatalf("generation %d, before an update that changes nothing it was %d", after, before)
	}
	// The facts are those that were asked for.
	want, got := []string{"web", "db", "int"}, []string(nil)
	for n := range s.churn.networks {
		want = append(want, fmt.Sprint("net", n))
	}
	v := s.fw.View()
	for n := range v.Networks() {
		got = append(got, n.Spec.Name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.t.Fatalf("networks %q, want %q", got, want)
	}
	for name, b := range s.churn.ports {
		if !s.publishes(v, name, b.String()) {
			s.t.Fatalf("%s does not publish %s any more", name, b)
		}
	}
	if _, ok := s.cfg.Layout.(bridge.UserInitializer); ok {
		return // DOCKER-USER is not empty in the beginning
	}
	// What users have in DOCKER-USER is there, whatever was flushed.
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		rules, err := s.fw.UserRules(context.Background(), f)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(rules) != s.churn.rules {
			s.t.Fatalf("%d rules of the user's in %s, want %d", len(rules), f, s.churn.rules)
		}
	}
}

func (s *soak) publishes(v *bridge.View, name, port string) bool {
	for n := range v.Networks() {
		for e := range v.Endpoints(n) {
			if e.String() != name {
				continue
			}
			for b := range v.Bindings(e) {
				if b.Port.String() == port {
					return true
				}
			}
		}
	}
	return false
}

// gauge is what the process holds with no networks but the town's own.
func (s *soak) gauge() gauge {
	s.t.Helper()
	s.unwatch()
	defer s.watch()
	s.update(s.churn.clear)
	return readGauge(s.t)
}
