package portmap

import (
	"fmt"
	"strings"
)

// Proto is a transport protocol whose ports can be published. The zero value is
// TCP, Docker's default.
type Proto uint8

// The protocols that have ports.
const (
	TCP Proto = iota
	UDP
	SCTP
)

var protoNames = [...]string{TCP: "tcp", UDP: "udp", SCTP: "sctp"}

var protoNumbers = [...]uint8{TCP: 6, UDP: 17, SCTP: 132}

func (p Proto) valid() bool { return int(p) < len(protoNames) }

// String returns Docker's name: "tcp", "udp" or "sctp".
func (p Proto) String() string {
	if !p.valid() {
		return fmt.Sprintf("proto(%d)", uint8(p))
	}
	return protoNames[p]
}

// Number returns the IANA protocol number as in the IP header: 6, 17 or 132. It
// is 0 for a value that is none of the constants.
func (p Proto) Number() uint8 {
	if !p.valid() {
		return 0
	}
	return protoNumbers[p]
}

// ParseProto reads a protocol's name, in upper or lower case. The error is a
// *SpecError.
func ParseProto(name string) (Proto, error) {
	for p, known := range protoNames {
		if strings.ToLower(name) == known {
			return Proto(p), nil
		}
	}
	return 0, &SpecError{Spec: name, Field: "protocol", Value: name, Reason: "must be tcp, udp or sctp"}
}

// MarshalText returns the name. A value that is none of the constants is an
// error.
func (p Proto) MarshalText() ([]byte, error) {
	if !p.valid() {
		return nil, p.invalid(p.String())
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads a name as ParseProto does.
func (p *Proto) UnmarshalText(text []byte) error {
	parsed, err := ParseProto(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

func (p Proto) invalid(spec string) error {
	return &SpecError{Spec: spec, Field: "protocol", Value: p.String(), Reason: "must be TCP, UDP or SCTP"}
}
