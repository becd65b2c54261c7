package bridge

import (
	"log/slog"
	"os"
	"time"
)

// Config says how a [Firewall] works. The zero value is Docker's defaults, in
// the calling thread's network namespace.
type Config struct {
	// NetNS is an open file on the network namespace of the host. Nil is the
	// namespace of the thread that calls Open. The firewall keeps a copy.
	NetNS *os.File
	// Layout decides how the ruleset looks. Nil is [Native].
	Layout Layout
	// AllowDirectRouting lets packets from outside reach ports that are
	// published on all of the host's addresses by the endpoints' own, if they
	// are routed here. DOCKER-USER then
	// judges all such packets.
	AllowDirectRouting bool
	// RulesOnly leaves bridges, their addresses, and sysctls to the caller.
	RulesOnly bool
	// Logger is told what goes wrong without making a call fail. Nil discards
	// it.
	Logger *slog.Logger
	// Trace, if not nil, is called after each transaction with what it was,
	// by the goroutine that made it. It must not call the Firewall.
	Trace func(Transaction)
}

// A Transaction tells what one commit did.
type Transaction struct {
	// Op is what it was for: "open", "update", "heal" or "teardown", or "undo"
	// if it takes back an update whose bridges could not be put to use.
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
)
