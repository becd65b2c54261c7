package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

var (
	errExist    = fs.ErrExist
	errNotExist = fs.ErrNotExist
	errInvalid  = fs.ErrInvalid
)

// ErrFamilyDisabled says that packets of a family are left alone, so that rules
// of DOCKER-USER would be without effect: see Config.DisableIPv4.
var ErrFamilyDisabled = errors.New("the family is disabled: nothing would look at its rules")

// ErrClosed says that the Firewall was closed, or torn down.
var ErrClosed = errors.New("bridge: the firewall is closed")

// A DriftError says that objects of ours in the kernel are not what they should
// be: somebody else has changed them. Nothing was applied.
type DriftError struct {
	// Repair is the batch that would bring the kernel back.
	Repair nft.Batch
}

// Error tells what differs.
func (e *DriftError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.Repair.String()), "\n")
	more := ""
	if n := len(lines); n > 3 {
		lines, more = lines[:3], fmt.Sprintf(" and %d more", n-3)
	}
	return fmt.Sprintf("the ruleset in the kernel was changed by others: call Heal to bring it back (%s%s)",
		strings.Join(lines, "; "), more)
}
