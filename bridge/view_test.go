package bridge_test

import (
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// lines collects what a sequence yields, and checks that it ends when the caller has enough.
func lines[T fmt.Stringer](t *testing.T, seq iter.Seq[T]) []string {
	t.Helper()
	var out []string
	for s := range seq {
		out = append(out, s.String())
	}
	for s := range seq {
		if s.String() != out[0] {
			t.Errorf("a second time the first is %s, not %s", s, out[0])
		}
		break
	}
	return out
}

// shown is how a publication of a port 80 on all addresses is shown.
func shown(port int) string {
	return fmt.Sprintf("0.0.0.0:%d->80/tcp, [::]:%d->80/tcp", port, port)
}

// A fact of another View means itself: a later network or endpoint of the same name is not taken for it.
func TestViewOfOtherFacts(t *testing.T) {
	t.Parallel()
	fw := openRulesOnly(t)
	fw.web(t)
	publish := func(specs ...string) {
		update(t, fw.Firewall, func(tx *bridge.Tx) { tx.Network("web").Endpoint("c1").Publish(ports(specs...)...) })
	}
	expect := func(v *bridge.View, n *bridge.Network, e *bridge.Endpoint, endpoints, bindings []string) {
		t.Helper()
		if got := lines(t, v.Endpoints(n)); !slices.Equal(got, endpoints) {
			t.Errorf("endpoints %q, want %q", got, endpoints)
		}
		if got := lines(t, v.Bindings(e)); !slices.Equal(got, bindings) {
			t.Errorf("bindings %q, want %q", got, bindings)
		}
	}
	c1 := []string{"web/c1"}
	publish("8080:80")
	first := fw.View()
	n, e := first.Network("web"), first.Endpoint("web", "c1")
	expect(first, n, e, c1, []string{shown(8080)})
	expect(first, nil, nil, nil, nil)
	for _, missing := range [][2]string{{"web", "c2"}, {"db", "c1"}, {"", ""}} {
		if got := first.Endpoint(missing[0], missing[1]); got != nil {
			t.Errorf("endpoint %q is %v", missing, got)
		}
	}
	if got := first.Network("db"); got != nil {
		t.Errorf("network db is %v", got)
	}

	publish("8081:80")
	expect(fw.View(), n, e, c1, []string{shown(8080), shown(8081)})
	expect(first, n, e, c1, []string{shown(8080)})

	update(t, fw.Firewall, func(tx *bridge.Tx) {
		spec := e.Spec
		tx.Network("web").Detach("c1")
		tx.Network("web").Attach(spec).Publish(ports("8082:80")...)
	})
	second := fw.View()
	expect(second, n, e, c1, nil)
	expect(second, n, second.Endpoint("web", "c1"), c1, []string{shown(8082)})
	expect(first, n, second.Endpoint("web", "c1"), c1, nil)

	update(t, fw.Firewall, func(tx *bridge.Tx) { tx.RemoveNetwork("web") })
	expect(fw.View(), n, e, nil, nil)
	fw.web(t)
	third := fw.View()
	expect(third, n, e, nil, nil)
	expect(third, third.Network("web"), third.Endpoint("web", "c1"), c1, nil)
	if got := lines(t, third.Networks()); !slices.Equal(got, []string{"web"}) {
		t.Errorf("networks %q", got)
	}
}
