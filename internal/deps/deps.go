// Package deps pins the modules that the first packages need.
package deps

import (
	_ "github.com/google/nftables/expr"
	_ "github.com/mdlayher/netlink"
	_ "github.com/vishvananda/netlink"
	_ "golang.org/x/sys/unix"
)
