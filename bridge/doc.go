// Package bridge runs Docker's bridge networks on one host: networks, the
// endpoints attached to them, and their published ports, as a live firewall.
//
//	Update(func(tx)) ──► facts ──Layout──► objects ──Union──► one batch ──► kernel
//	                       │                                                  │
//	View ◄─────────────────┘                 Open ◄── facts in userdata ◄─────┘
//
// A network, an endpoint and a published port are facts. A [Layout] compiles a
// fact to the nft objects that it needs; the ruleset is the union over all
// facts, and a [Firewall.Update] sends the difference of two unions as one
// transaction of the kernel: all of it or nothing. Facts are kept with the
// objects in the kernel, so that a new process finds them there.
//
// Others may change the ruleset at any time. An update that finds the firewall's
// own objects changed fails with a [*DriftError], and [Firewall.Heal] repairs
// them. The DOCKER-USER chains belong to the user; they are judged first.
//
// Out of scope: address management, name resolution, and running containers.
package bridge
