package bridge

import (
	"log/slog"
	"os"
	"time"
)

// Config says how a [Firewall] works. The zero value is Docker's defaults, but
// without a userland proxy, in the calling thread's network namespace. Options
// may be others than those of the last Open: the rules, and links that are
// there, are brought into line.
type Config struct {
	// NetNS is an open file on the network namespace of the host. Nil is the
	// namespace of the thread that calls Open. The firewall keeps a copy.
	NetNS *os.File
	// Layout decides how the ruleset looks. Nil is [Native].
	Layout Layout
	// Former is the layout of the last Open, with the options that it had, if it
	// may have been another: [Installed] tells which. Open then moves the host over in
	// one transaction. Without it, records of another layout are refused with
	// [ErrForeignTable]. The user's rules stay where they are. If the layouts have
	// DOCKER-USER in different tables, or the new one has none, and the chain
	// holds rules, Open changes nothing, and the error says so and matches
	// fs.ErrExist: they have to be taken out first, and be appended again later,
	// in the syntax of the table that they are in then. What the new layout cannot
	// do is refused with a [*LayoutError]. Nil is that there is no other.
	Former Layout
	// AllowDirectRouting lets packets from outside reach ports that are
	// published on all of the host's addresses by the endpoints' own, if they
	// are routed here. DOCKER-USER then
	// judges all such packets.
	AllowDirectRouting bool
	// UserlandProxy leaves to the runtime's proxy, a listener on each published
	// port of the host, what the host sends to its loopback addresses, and what
	// comes from the network that the port leads to. It is Docker's default, but
	// the proxy is not in this package. False translates all of that in the
	// kernel.
	UserlandProxy bool
	// DisableIPv4 and DisableIPv6 leave a family's packets alone, as Docker's
	// --iptables=false and --ip6tables=false do: networks have their links and
	// addresses, and published ports are taken, but nothing is filtered or
	// translated. Facts are still kept in the family's table, which then has no
	// hooks. What DOCKER-USER holds is without effect, and stays.
	DisableIPv4, DisableIPv6 bool
	// DropForward drops what the host forwards and belongs to no network. That
	// is done anyway where the firewall itself had to switch forwarding on.
	DropForward bool
	// WSL2Mirrored says that the host is WSL 2 with mirrored networking, where
	// connections from Windows to 127.0.0.1 arrive by an interface named
	// loopback0: see [DetectWSL2Mirrored]. They are treated as the host's own.
	WSL2Mirrored bool
	// LogDrops tells of dropped packets, with the network and the reason, to whoever
	// listens to a group of nfnetlink_log: see [Drops]. Nil tells nobody. No
	// packet's fate depends on it. In layouts of old versions of Docker, whose rules
	// are as Docker made them, only what is dropped in addition to them is told:
	// direct access, access to the host, loopback addresses, and frames.
	LogDrops *DropLog
	// Accounting asks the kernel to count the packets and bytes of each connection
	// (net.netfilter.nf_conntrack_acct), for all of the network namespace. Open
	// fails where that cannot be switched on. It is never switched off again, since
	// others may need it, and counts what begins from then on. With RulesOnly that
	// is left to the caller.
	Accounting bool
	// RulesOnly leaves bridges, their addresses, and sysctls to the caller, and
	// holds no ports.
	RulesOnly bool
	// UnheldPorts leaves published ports of the host to whoever takes them.
	// Otherwise a socket holds each port of each address; see
	// [Firewall.Sockets].
	UnheldPorts bool
	// Watch is how [Firewall.Watch] works. Its zero value is with everything.
	Watch WatchConfig
	// Logger is told what goes wrong without making a call fail, and all events of
	// [Firewall.Watch]: those to worry about as warnings. At level Info it is told
	// of Open, repairs and Teardown, at Debug of each transaction. Nil discards it.
	Logger *slog.Logger
	// Trace, if not nil, is called after each transaction with what it was,
	// by the goroutine that made it. It must not call the Firewall.
	Trace func(Transaction)
}

// A Transaction tells what one commit did.
type Transaction struct {
	// Op is what it was for: "open", "update", "heal" or "teardown", or "undo"
	// if it takes back an update whose bridges could not be put to use, or "rebuild"
	// if it writes records that were lost. A "turn"
	// keeps other processes from updating at the same time, where an update next
	// to busy writers would come too late again and again.
	Op string
	// Objects is how many objects were added or deleted.
	Objects int
	// Messages and Bytes are the size of what was sent to the kernel.
	Messages, Bytes int
	// Generation is the ruleset's generation after the transaction.
	Generation uint32
	// Duration is how long the kernel took, from sending to the answer.
	Duration time.Duration
}

// The values of [Transaction].Op.
const (
	opOpen     = "open"
	opUpdate   = "update"
	opUndo     = "undo"
	opHeal     = "heal"
	opTeardown = "teardown"
	opTurn     = "turn"
	opRebuild  = "rebuild"
)
