// Package isolation says who may reach whom: which packets may enter a
// network, leave it, and pass between two of its endpoints.
//
//	          raw prerouting                      forward
//	packet ──► loopback? endpoint? ──► (nat) ──► DOCKER-USER ──► established?
//	           │ guard-<bridge>                   ──► from-<bridge> ──► to-<bridge>
//	           ▼ drop                             ▼ accept, drop
//
// Two checks protect an endpoint. The guard, before connection tracking, drops
// what is addressed to an endpoint and comes from outside of all networks: the
// way into a network is a published port of the host. The forward chain lets
// DOCKER-USER judge first, and then asks the network that the packet leaves
// before the one it enters.
//
// Frames are filtered in a table of family bridge ([LinkFilter]), before all of
// this: an endpoint sends in its own name only, and where a network's endpoints
// are kept from each other, frames do not pass between them either.
//
// Where DOCKER-USER and other rules stand in iptables' own tables,
// [FilterOptions] carry the verdict to them in packets' marks, or leave judging
// to them, and only guard.
//
// The package is pure: typed input in, nft objects out, no I/O. Publishing is
// the business of package portmap; links and addresses are bridge's.
package isolation
