// Package portmap is about published ports: what a binding is, how Docker's -p
// writes one, which bindings exclude each other, and how packets are translated
// on their way to a container and back.
//
// A [Binding] says that a port of the host leads to a port of a container.
// [Parse] reads it from Docker's notation and [Binding.String] writes it back.
// Which ports of the host it takes depends on the families the container has:
// [Binding.Claims] says it as one [Claim] a family. An [Index] holds the claims
// of all published bindings and finds a conflict without searching through them.
//
//	"8080:80"  ──Parse──▶  Binding  ──Claims──▶  0.0.0.0:8080/tcp  ──▶  Index
//	                                             [::]:8080/tcp     └─▶  NAT  ──▶  nft objects
//
// A [NAT] makes the nft objects that lead packets from claims to containers: maps
// that are looked up once for each new connection, so that its cost does not
// depend on how many ports are published. It also makes what masquerades the
// packets of a network.
//
// A [Binding] may leave its host port open ([Binding.Dynamic]). A [Chooser] says
// in which order to try the candidates, out of a range or out of the host's
// [Ephemeral] ports, as [ParseEphemeral] reads them from the kernel's sysctls.
//
// Everything here depends on its input alone: no I/O, no clock, no state shared
// between values. All types but Index and Chooser are plain values; those two are
// changed in place, by one goroutine at a time. What is changed in an Index is
// undone by its opposite.
//
// # Where Parse is stricter than Docker
//
// Parse takes every documented form of -p, and IPv6 addresses without brackets
// as Docker does. It refuses a few spellings that Docker's parser lets through,
// because each says something else than it seems to:
//
//   - Host port 0. To Docker it means any free port; leaving the port out says
//     so ("80", "127.0.0.1::80").
//   - Container port 0: no program can listen there.
//   - Numbers with a sign or a leading zero ("+80", "0080").
//   - IPv4 addresses in IPv6 clothes ("::ffff:192.0.2.1") and IPv4 addresses in
//     brackets: they look like IPv6 and would publish on IPv4.
//   - Multicast addresses and the limited broadcast address: no host has them
//     as its own, so nothing would ever arrive.
//
// # Out of scope
//
// Whether a host address is one of this host's, whether a program holds the
// port, and everything that needs the kernel: package bridge does that.
package portmap
