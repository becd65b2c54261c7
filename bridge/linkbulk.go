package bridge

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Whoever deletes a link waits, several times, until no processor looks at it any
// more. The kernel deletes all links of a group together (IFLA_GROUP of
// RTM_DELLINK), and then waits only once for each bridge: some 20 ms, in
// br_multicast_dev_del. So links are put into a group that nobody uses, and the
// group is deleted.

const (
	// bulkFrom is from how many links on that is worth a look at all of the
	// host's.
	bulkFrom = 4
	// bulkSize is how many links are deleted together. Meanwhile nobody else on the
	// host can change anything about links, addresses and routes.
	bulkSize = 32
)

// removeAll deletes the links of the names that are there and ours.
func (l *links) removeAll(names []string) error {
	var doomed []netlink.Link
	var errs []error
	for _, name := range names {
		link, err := l.find(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("bridge: delete %s: %w", name, err))
		} else if link != nil && link.Attrs().Alias == ownAlias {
			doomed = append(doomed, link)
		}
	}
	return errors.Join(append(errs, l.deleteAll(doomed))...)
}

// deleteAll deletes links. Those that have gone meanwhile, perhaps with their
// peers, are no failure.
func (l *links) deleteAll(doomed []netlink.Link) error {
	if len(doomed) >= bulkFrom {
		groups := (len(doomed) + bulkSize - 1) / bulkSize
		doomed = l.deleteTogether(doomed, 1+rand.Uint32N(math.MaxUint32-uint32(groups)))
	}
	var errs []error
	for _, link := range doomed {
		if err := l.h.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("bridge: delete %s: %w", link.Attrs().Name, err))
		}
	}
	return errors.Join(errs...)
}

// deleteTogether deletes links by way of groups, from the first one on, and
// returns those that it could not delete: all of a group in which there are
// others, too. One of 2^32 groups that is picked at random has no members that
// come between the look and the deletion.
func (l *links) deleteTogether(doomed []netlink.Link, first uint32) (rest []netlink.Link) {
	groups := slices.Collect(slices.Chunk(doomed, bulkSize))
	ours := map[int]bool{}
	for i, group := range groups {
		for _, link := range group {
			if err := l.h.LinkSetGroup(link, int(first)+i); err != nil && !errors.Is(err, unix.ENODEV) {
				return doomed
			}
			ours[link.Attrs().Index] = true
		}
	}
	all, err := l.list()
	if err != nil {
		return doomed
	}
	shared := map[uint32]bool{}
	for _, link := range all {
		if !ours[link.index] {
			shared[link.group] = true
		}
	}
	for i, group := range groups {
		if g := first + uint32(i); shared[g] || l.deleteGroup(g) != nil {
			rest = append(rest, group...)
		}
	}
	return rest
}

// deleteGroup deletes all links of a group.
func (l *links) deleteGroup(group uint32) error {
	return inNamespace(l.ns, func() error {
		request := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
		request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		request.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
		_, err := request.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
}
