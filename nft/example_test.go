package nft_test

import (
	"fmt"
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// A ruleset prints as nft would list it.
func ExampleRuleset_String() {
	seawall := nft.TableRef{Family: nft.IPv4, Name: "seawall"}
	open := &nft.Set{Table: seawall, Name: "open", Key: nft.TypeOf(nft.TypeIPv4Addr, nft.TypeInetProto, nft.TypeInetService)}
	forward := &nft.Chain{Table: seawall, Name: "forward", Hook: nft.Forward, Priority: nft.PriorityFilter, Policy: nft.PolicyDrop}
	rs, err := nft.NewRuleset(
		&nft.Table{Family: nft.IPv4, Name: "seawall"}, open, forward,
		&nft.Element{Set: open.Ref(), Key: nft.Key(nft.Addr(netip.MustParseAddr("172.18.0.2")), nft.Proto(nft.TCP), nft.Port(80))},
		&nft.Rule{Chain: forward.Ref(), Key: "established", Statements: []nft.Statement{
			nft.CTState.Any(nft.CTEstablished | nft.CTRelated), nft.Accept(),
		}},
		&nft.Rule{Chain: forward.Ref(), Key: "open", Statements: []nft.Statement{
			nft.Concat(nft.IPDaddr, nft.MetaL4Proto, nft.THDport).InSet(*open), nft.Counter(), nft.Accept(),
		}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(rs)
	// Output:
	// table ip seawall {
	// 	set open {
	// 		type ipv4_addr . inet_proto . inet_service
	// 		elements = { 172.18.0.2 . tcp . 80 }
	// 	}
	//
	// 	chain forward {
	// 		type filter hook forward priority filter; policy drop;
	// 		ct state established,related accept
	// 		ip daddr . meta l4proto . th dport @open counter packets 0 bytes 0 accept
	// 	}
	// }
}

// A batch prints as the commands that nft would take: a dry run.
func ExampleBatch_String() {
	seawall := nft.TableRef{Family: nft.IPv4, Name: "seawall"}
	dispatch := &nft.Set{Table: seawall, Name: "from-bridge", Key: nft.TypeIFName, Data: nft.TypeVerdict}
	var b nft.Batch
	b.Add(&nft.Chain{Table: seawall, Name: "from-br-web"})
	b.Add(&nft.Element{Set: dispatch.Ref(), Key: nft.Key(nft.Name("br-web")), Verdict: nft.Jump("from-br-web")})
	fmt.Print(b)
	// Output:
	// add chain ip seawall from-br-web
	// add element ip seawall from-bridge { "br-web" : jump from-br-web }
}
