// Package iptables is the language of iptables and ip6tables: their arguments
// and their save files, read into rules, written in the one form that
// `iptables -S` has, compiled for nf_tables, and read back from there. It follows
// iptables-nft 1.8.9, whose tools list, check and delete what it compiles for
// their tables. It does no I/O; nothing depends on the host, its /etc/services
// or its name servers.
//
//	arguments, text, save file ──parse──▶ Rule ──Statements──▶ nft statements
//	                                      │ ▲                       │
//	              -A CHAIN …  ◀──String───┘ └───────FromRule────────┘
//
// What iptables or the kernel would refuse is refused, with the word and the
// reason ([SyntaxError]).
//
// # Out of scope
//
// The tool itself: commands other than those of save files, listings with
// counters, chains and their policies (those are package nft's). Host names.
// Extensions of arptables and ebtables.
//
// # Writing a module
//
// A match or a target is one file, match_NAME.go or target_NAME.go, with
//
//   - an unexported type, comparable, for what the options say: mark in
//     match_mark.go is a short example, tcp one with all there is;
//   - a function matchNAME or targetNAME that returns its [Module]: the options as
//     data, where it exists (Protocols, Tables, Hooks), parse and decode. The engine
//     checks values, duplicates, "!" and what options need or exclude before parse
//     is called, which only fills in the type by the accessors of arguments (has,
//     inverted, text, number, span, masked, network) and refuses the rest by a.fail;
//   - format, which writes the options in the order and the form of `iptables -S`;
//   - xt, the kernel's structure, written by a layout: byte for byte what iptables
//     sends, or `iptables -C` and -D would not find the rule;
//   - decode, which reads that structure, of every revision that is programmed
//     today, from a structure. Unknown bits are refused, never ignored;
//   - if they apply: iptablesForm (iptables-nft has statements of nf_tables for it),
//     nativeForm (nf_tables can say exactly the same; used in tables of one's own),
//     check (the kernel accepts it in some rules only);
//
// and a line in the registry (registry.go and its neighbours).
package iptables
