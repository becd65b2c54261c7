package bridge

import (
	"fmt"
	"io/fs"
)

// A SpecError says which field of a specification is wrong, and why. It matches
// fs.ErrInvalid.
type SpecError struct {
	// Object is what is specified: "network web", "endpoint web/c1".
	Object string
	// Field is the field at fault: "Bridge", "IPv4.Subnet".
	Field string
	// Reason says what is wrong with its value.
	Reason string
}

// Error names the object, the field and the reason.
func (e *SpecError) Error() string {
	return fmt.Sprintf("bridge: %s: %s: %s", e.Object, e.Field, e.Reason)
}

// Is matches fs.ErrInvalid.
func (e *SpecError) Is(target error) bool { return target == fs.ErrInvalid }
