package document

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seawall-net/seawall/bridge"
)

// An Error says what is wrong with a document, and where.
type Error struct {
	// File is the name that was given to Parse.
	File string
	// Line counts from 1; 0 is the document as a whole.
	Line int
	// Reason says what is wrong.
	Reason string
	// Err is the library's error behind the reason, if there is one.
	Err error
}

// Error returns "FILE:LINE: reason".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// A place is where something stands in the document: its first line, and the
// lines of its keys.
type place struct {
	line int
	keys map[string]int
}

func (p place) of(key string) int {
	if line := p.keys[key]; line != 0 {
		return line
	}
	return p.line
}

// keyOf are the document's names of the fields that [bridge.SpecError] names. A
// family's fields stand below its key.
var keyOf = map[string]string{
	"Name":              "name",
	"Bridge":            "bridge",
	"MTU":               "mtu",
	"IfPrefix":          "interface_prefix",
	"TrustedInterfaces": "trusted_interfaces",
	"AcceptFwmark":      "accept_fwmark",
	"IPv4":              "ipv4",
	"IPv6":              "ipv6",
	"Subnet":            "subnet",
	"Address":           "gateway",
	"Mode":              "mode",
	"SNAT":              "snat",
	"HostBinding":       "host_binding",
	"InhibitAddress":    "inhibit_address",
	"ExplicitOnly":      "explicit_only",
	"MAC":               "mac",
	"HostIfName":        "host_interface",
}

// key is a field's name in the document.
func key(field string) string {
	parts := strings.Split(field, ".")
	for i, part := range parts {
		if parts[i] = keyOf[part]; parts[i] == "" {
			return field
		}
	}
	return strings.Join(parts, ".")
}

// refused says where in the document the library's error has its cause.
func (d *Document) refused(p place, err error) error {
	if done := (*Error)(nil); errors.As(err, &done) {
		return err
	}
	if bad := (*bridge.SpecError)(nil); errors.As(err, &bad) {
		name := key(bad.Field)
		line := p.of(name)
		if option := p.keys["options."+bad.Field]; option != 0 {
			line = option
		}
		return &Error{d.File, line, bad.Object + ": " + name + ": " + bad.Reason, err}
	}
	return &Error{d.File, p.line, strings.TrimPrefix(err.Error(), "bridge: "), err}
}
