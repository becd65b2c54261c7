// Package conntrack finds and deletes entries of the kernel's table of tracked connections, over netlink (ctnetlink).
//
//	Conn.Count ──► 0: nothing to do
//	Conn.List  ──► the kernel lists ──► Flow, with what was counted
//	Conn.Sweep ──► the kernel lists ──► Flow ──► stale? ──► deleted, many at a time
//
// The kernel decides once, with the first packet of a flow, whether and how its addresses are translated, and keeps to
// it as long as the entry is there: for a UDP client that never pauses, for ever. So whoever changes the rules of
// translation has to delete the entries that were made by the old ones.
//
// The package knows nothing of firewalls or containers. Out of scope: creating and changing entries, expectations,
// events, and what the kernel has seen but not yet confirmed.
package conntrack
