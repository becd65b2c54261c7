// Package nft speaks nf_tables over netlink: tables, chains, rules, sets, maps
// and their elements as plain values, changed in atomic batches.
//
//	values ──► Batch ──► Conn.Commit ──► kernel
//	  ▲                                    │
//	  └── Diff(have, want) ◄── Conn.Load ◄─┘
//
// Every object is a value with a stable [ID]; a [Ruleset] is a collection of
// them, whether wanted or loaded. [Diff] compares two rulesets and returns the
// [Batch] that leads from one to the other; [Conn.Commit] applies a batch as
// one kernel transaction, all of it or nothing, and only if nobody else has
// changed the ruleset meanwhile when the batch says which generation it was
// made for.
//
// Rules are written with typed fields and statements that read like nft:
//
//	nft.Rule{
//		Chain: forward,
//		Statements: []nft.Statement{
//			nft.IIFName.Eq("br-web"),
//			nft.TCPDport.In(8000, 8010),
//			nft.Counter(),
//			nft.Accept(),
//		},
//	}
//
// The package knows nothing of Docker, bridges or containers. It executes no
// program, needs no cgo, and keeps no state outside the values it hands out.
// Out of scope: flow tables, stateful objects, and reading nft's own syntax.
package nft
