// Package userrule puts recorded rules in iptables' syntax into the DOCKER-USER
// of a firewall, with what they need: chains, other rules, sets of ipset. It is
// for tests and for the program beside it, which comparisons with the real
// iptables call.
//
// Out of scope: what iptables would do with the rules, and recording any.
package userrule
