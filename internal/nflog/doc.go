// Package nflog listens to a group of nfnetlink_log, to which rules of the packet filter tell of packets.
//
//	rule: log group 5 ──► Listener.Next ──► Packet: prefix, interfaces, the beginning of the packet
//
// A group has one listener at a time. Out of scope: binding protocols to the kernel's old way of logging, connections,
// and numbering.
package nflog
