package iptables

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// numberedSets has a set of every name that ends in a number, which is its
// index; names that begin with "six" are for IPv6. Others have number 7, but foo
// and names that begin with "no" do not exist.
type numberedSets struct{}

func (numberedSets) Index(name string) (uint16, nft.Family, error) {
	if strings.HasPrefix(name, "no") || name == "foo" {
		return 0, 0, fmt.Errorf("there is no set %s", name)
	}
	digits := name[len(strings.TrimRight(name, "0123456789")):]
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		n = 7
	}
	if strings.HasPrefix(name, "six") {
		return uint16(n), nft.IPv6, nil
	}
	return uint16(n), 0, nil
}

func (numberedSets) Name(index uint16) (string, error) {
	if index == 0 {
		return "", fmt.Errorf("there is no set with number 0")
	}
	return fmt.Sprintf("s%d", index), nil
}
