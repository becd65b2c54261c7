package portmap

import (
	"fmt"
	"io/fs"
)

// SpecError says what is wrong with a binding, and where. It is what Parse,
// ParseProto and Validate return. errors.Is(err, fs.ErrInvalid) holds for it.
type SpecError struct {
	Spec   string // the whole binding, as given or as Binding.String prints it
	Field  string // "host address", "host port", "container port", "protocol", or a sysctl
	Value  string // the offending word
	Reason string // why it is refused, and what to write instead
}

// Error returns, for example,
//
//	portmap: "8080:0": container port "0": must be 1-65535
func (e *SpecError) Error() string {
	return fmt.Sprintf("portmap: %q: %s %q: %s", e.Spec, e.Field, e.Value, e.Reason)
}

// Is makes the error an fs.ErrInvalid.
func (e *SpecError) Is(target error) bool { return target == fs.ErrInvalid }
