package bridge

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A linkListener hears that something about links, addresses or forwarding has
// changed on a host. What it was is found out by looking: the kernel does not
// say who, and several changes are one look.
type linkListener struct {
	socket *netlink.Conn
	closed atomic.Bool
	// changed holds a token when something has.
	changed chan struct{}
}

// linkGroups are what is listened to.
var linkGroups = []uint32{
	unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF,
}

func listenToLinks(ns *os.File) (*linkListener, error) {
	s, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{NetNS: int(ns.Fd())})
	if err != nil {
		return nil, fmt.Errorf("listen to links: %w", err)
	}
	for _, group := range linkGroups {
		if err := s.JoinGroup(group); err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("listen to links: join group %d: %w", group, err)
		}
	}
	l := &linkListener{socket: s, changed: make(chan struct{}, 1)}
	go l.run()
	return l, nil
}

// run ends with the socket. Messages that were lost are news, too. After any other
// error nothing is heard any more, and links are only looked at now and then.
func (l *linkListener) run() {
	for {
		if _, err := l.socket.Receive(); l.closed.Load() || err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}
}

func (l *linkListener) close() {
	l.closed.Store(true)
	_ = l.socket.Close()
}
