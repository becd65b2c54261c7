package netlab

import "testing"

// A flow keeps its source, and a connection that is gone is gone.
func TestFlow(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	var flows []*Flow
	for _, proto := range []string{"tcp", "udp", "sctp"} {
		for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
			flows = append(flows, phone.lab.Flow(Probe{From: phone, Proto: proto, To: endpoint(addr, 80)}))
		}
	}
	for _, r := range AskAll(flows) {
		if r.Outcome != Refused {
			t.Errorf("without a server: %v", r)
		}
	}
	var servers []*Server
	for _, proto := range []string{"tcp", "udp", "sctp"} {
		servers = append(servers, web.Listen(proto, ":80"))
	}
	first := AskAll(flows)
	for range 3 {
		for i, r := range AskAll(flows) {
			if r.Outcome != Delivered || r.Server != "web" || r.Source != first[i].Source || r.Source != r.Local {
				t.Errorf("%s to %s: %v, before %v", flows[i].probe.Proto, flows[i].probe.To, r, first[i])
			}
		}
	}
	for _, s := range servers {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range AskAll(flows) {
		want := Refused
		if flows[i].probe.Proto == "tcp" {
			want = Reset
			if r.Outcome == Mute { // the server had nothing left to read, and closed in order
				r = flows[i].Ask()
			}
		}
		if r.Outcome != want {
			t.Errorf("%s to %s: %v, want %v", flows[i].probe.Proto, flows[i].probe.To, r, want)
		}
	}
}
