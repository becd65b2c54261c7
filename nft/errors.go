package nft

import (
	"errors"
	"fmt"
	"io/fs"
)

// Errors that errors.Is finds in what this package returns. A refused commit
// also matches the kernel's own errno, such as unix.EEXIST, and through it
// fs.ErrExist, fs.ErrNotExist and fs.ErrPermission.
var (
	// ErrExist: an object with the same ID is there already.
	ErrExist = fs.ErrExist
	// ErrNotExist: the object, or what it should be in, is not there.
	ErrNotExist = fs.ErrNotExist
	// ErrGeneration: the ruleset is no longer the one the batch was made for;
	// nothing was applied.
	ErrGeneration = errors.New("the ruleset has changed meanwhile")
	// ErrTooLarge: the batch does not fit into the socket's send buffer;
	// nothing was applied.
	ErrTooLarge = errors.New("the batch is larger than the socket's send buffer")
	// ErrUnknownOutcome: the kernel's answer was lost, and whether the batch was
	// applied could not be found out.
	ErrUnknownOutcome = errors.New("the kernel's answer was lost")
)

// An ObjectError says which object of a batch was refused, and why.
type ObjectError struct {
	// Op is nft's verb: add, create, insert, delete, …
	Op string
	// Object describes the object: "element ip seawall published { … }".
	Object string
	// ID is the object's identity.
	ID ID
	// Reason is the kernel's own message (extended ack), where it gave one.
	Reason string
	// Expression is the kernel's name of the expression of a rule that it
	// refused, where it told: "fib", "lookup". If Err is [ErrNotExist], the
	// kernel lacks that expression, or a lookup's set or a jump's chain is
	// missing.
	Expression string
	// Err is the kernel's errno, or what was wrong before anything was sent.
	Err error
}

// Error names the operation, the object and the reason.
func (e *ObjectError) Error() string {
	msg := fmt.Sprintf("nft: %s %s: ", e.Op, e.Object)
	if e.Expression != "" {
		msg += "expression " + e.Expression + ": "
	}
	if e.Reason != "" {
		msg += e.Reason + ": "
	}
	msg += e.Err.Error()
	if errors.Is(e.Err, ErrNotExist) && e.Expression != "" && e.Expression != "lookup" && e.Expression != "immediate" {
		msg += ": the kernel does not have it"
	}
	return msg
}

// Unwrap returns Err.
func (e *ObjectError) Unwrap() error { return e.Err }
