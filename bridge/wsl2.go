package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// wsl2Loopback is the interface by which connections from Windows to 127.0.0.1
// arrive.
const wsl2Loopback = "loopback0"

// wslInfo is a program that only WSL has. It is not run.
const wslInfo = "/usr/bin/wslinfo"

// DetectWSL2Mirrored tells whether the host is WSL 2 with mirrored networking,
// for [Config].WSL2Mirrored. It asks what Docker asks: whether the network
// namespace, nil for the calling thread's, has an interface named loopback0, and
// whether /usr/bin/wslinfo is an executable file.
func DetectWSL2Mirrored(ns *os.File) (bool, error) { return detectWSL2Mirrored(ns, wslInfo) }

func detectWSL2Mirrored(ns *os.File, program string) (mirrored bool, err error) {
	info, err := os.Stat(program)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, detection(err)
	}
	own, err := namespace(ns)
	if err != nil {
		return false, err
	}
	defer own.Close()
	err = inNamespace(own, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		_, err = h.LinkByName(wsl2Loopback)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil
		}
		mirrored = err == nil
		return err
	})
	return mirrored, detection(err)
}

func detection(err error) error {
	if err != nil {
		return fmt.Errorf("bridge: detect WSL 2 with mirrored networking: %w", err)
	}
	return nil
}
