// Package compat lets people keep what they have: the chains that their tools
// know, and the rules of DOCKER-USER that they wrote.
//
// Its layouts for [bridge.Config] show the rules of Docker, of each stage of its
// history, in the tables that iptables lists, ip filter, ip nat and ip raw with
// their IPv6 twins: [Docker19], [Docker110], [Docker1706], [Docker1805] and
// [Docker28]. The same networks and ports print there what that Docker printed,
// in the same order. Beside them stand companion tables, which iptables does not
// list: they keep the records of all facts, and hold what the native layout
// promises and Docker of that time did not.
//
// What a version of Docker had no option for is refused, with the version that
// brought it.
//
// [Hybrid] is the native layout for people who type iptables: its verdicts travel
// in the mark of packets, and iptables' own FORWARD, behind DOCKER-USER, carries
// them out.
//
// [ParseRule] reads rules in iptables' syntax, for [bridge.UserChainTx] and for
// [UserChain], which has the commands of iptables for such rules. The language
// itself is package iptables.
//
// Out of scope are Docker's backends for swarm (DOCKER-INGRESS) and firewalld,
// and rules that a version left behind by mistake.
package compat
