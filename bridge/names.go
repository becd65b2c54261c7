package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// maxName is the longest name of a network or an endpoint, in bytes.
const maxName = 128

// checkName refuses names of networks and endpoints that others would misread:
// the rule is Docker's.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("is missing")
	}
	if len(name) > maxName {
		return fmt.Errorf("has %d bytes: at most %d", len(name), maxName)
	}
	for i := range len(name) {
		c := name[i]
		if !alphanumeric(c) && (i == 0 || c != '_' && c != '.' && c != '-') {
			return fmt.Errorf("%q: character %d (%q) is not one of [a-zA-Z0-9_.-], or not as the first", name, i+1, c)
		}
	}
	return nil
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// maxIfName is the longest name of an interface, in bytes (IFNAMSIZ - 1).
const maxIfName = 15

// checkIfName refuses names that the kernel refuses for an interface, that nft
// would misread, and "lo" and the like, which no bridge can have.
func checkIfName(name string) error {
	if len(name) > maxIfName {
		return fmt.Errorf("%q has %d bytes: an interface name has at most %d", name, len(name), maxIfName)
	}
	if err := checkName(name); err != nil {
		return err
	}
	switch name {
	case "lo", "all", "default":
		return fmt.Errorf("%q is taken by the kernel", name)
	}
	return nil
}

// maxIfPrefix leaves room for the number behind a prefix.
const maxIfPrefix = 10

// checkIfPrefix refuses what interface names cannot begin with.
func checkIfPrefix(prefix string) error {
	if len(prefix) > maxIfPrefix {
		return fmt.Errorf("%q has %d bytes: at most %d, to have room for a number", prefix, len(prefix), maxIfPrefix)
	}
	return checkIfName(prefix + "0")
}

// bridgeName derives the name of a network's bridge.
func bridgeName(network string) string {
	sum := sha256.Sum256([]byte(network))
	return "br-" + hex.EncodeToString(sum[:6])
}

// vethName derives the name of an endpoint's interface on the host.
func vethName(network, endpoint string) string {
	sum := sha256.Sum256([]byte(network + "/" + endpoint))
	return "veth" + hex.EncodeToString(sum[:])[:11]
}
