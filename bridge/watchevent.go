package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// An EventKind says what an [Event] is about.
type EventKind uint8

// The kinds of events.
const (
	// Watching is the first: everything is in place. Objects counts what had to
	// be repaired before.
	Watching EventKind = iota + 1
	// Damaged says that somebody has changed what is ours: By whom, and Changes.
	// A repair follows.
	Damaged
	// Touched says that somebody has changed what is ours, and that it is as it
	// should be all the same: a tool has put back what it had taken out, or a
	// Heal was faster.
	Touched
	// Repaired says that all is as it should be: Objects and UserRules count what
	// was put back, Took is how long it was not so.
	Repaired
	// Adopted says that another process of ours has changed the facts, and that
	// this one has taken them over.
	Adopted
	// Failed says that a repair failed, for Reason, and is tried again after
	// Delay.
	Failed
	// BackingOff says that By damages again and again what is repaired: it is
	// repaired no sooner than after Delay, which grows. Until then the anchor lets no new flows
	// of networks pass.
	BackingOff
	// Calm says that it has stopped.
	Calm
	// Unanchored says that there is no anchor, for Reason: a flush of the ruleset
	// ends connections, and opens what was closed until the repair.
	Unanchored
	// Missed says that changes came faster than they could be heard. Everything
	// is compared, and what was changed by whom is not known.
	Missed
	// TornDown says that By has torn the firewall down, which is no damage, and the
	// last event.
	TornDown
)

var eventWords = [...]string{
	"", "watching", "damaged", "touched", "repaired", "adopted", "failed", "backing-off", "calm", "unanchored", "missed",
	"torn-down",
}

// String returns the kind as it stands in JSON: "backing-off".
func (k EventKind) String() string {
	if int(k) < len(eventWords) && k != 0 {
		return eventWords[k]
	}
	return fmt.Sprintf("event(%d)", uint8(k))
}

// MarshalText returns String.
func (k EventKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText has written. Other text is an error that
// matches fs.ErrInvalid.
func (k *EventKind) UnmarshalText(text []byte) error {
	for i, word := range eventWords {
		if i > 0 && word == string(text) {
			*k = EventKind(i)
			return nil
		}
	}
	return fmt.Errorf("bridge: %q is no kind of event: %w", text, errInvalid)
}

// A Process is who has changed the ruleset, as the kernel tells. The zero value
// is nobody known: the kernel does not say who changes links and sysctls.
type Process struct {
	// PID is the number of the thread in the initial process namespace.
	PID uint32 `json:"pid"`
	// Name is the thread's name: at most 15 bytes, which it has chosen itself.
	Name string `json:"name"`
}

// String is `nft (pid 42)`.
func (p Process) String() string {
	if p == (Process{}) {
		return "somebody"
	}
	return fmt.Sprintf("%s (pid %d)", p.Name, p.PID)
}

// An Event is what [Firewall.Watch] tells. Fields that a kind does not have are
// zero, and not in JSON.
type Event struct {
	// Time is when the event was noticed.
	Time time.Time `json:"time"`
	Kind EventKind `json:"kind"`
	// By is who has done it.
	By Process `json:"by,omitzero"`
	// Changes is what was done to which objects, for people. There are at most ten,
	// and More is how many others there were.
	Changes []string `json:"changes,omitempty"`
	More    int      `json:"more,omitempty"`
	// Generation is the ruleset's after the change or the repair.
	Generation uint32 `json:"generation,omitempty"`
	// Objects is how many objects the repair has added, changed or deleted, links
	// included.
	Objects int `json:"objects,omitempty"`
	// UserRules is how many rules of the user's were put back.
	UserRules int `json:"userRules,omitempty"`
	// Took is the time from when the damage was heard of to the end of the repair.
	Took time.Duration `json:"tookNanoseconds,omitempty"`
	// Delay is how long the next repair waits.
	Delay time.Duration `json:"delayNanoseconds,omitempty"`
	// Reason is why something failed.
	Reason string `json:"reason,omitempty"`
	// Dropped is how many events before this one were thrown away since nobody
	// took them.
	Dropped int `json:"dropped,omitempty"`
}

// String describes the event for people, in one line.
func (e Event) String() string {
	var out strings.Builder
	switch e.Kind {
	case Watching:
		out.WriteString("watching")
		if e.Objects > 0 {
			fmt.Fprintf(&out, ", after a repair of %d objects", e.Objects)
		}
	case Damaged:
		fmt.Fprintf(&out, "%s has %s", e.By, e.what())
	case Touched:
		fmt.Fprintf(&out, "%s has %s: nothing is missing", e.By, e.what())
	case Repaired:
		fmt.Fprintf(&out, "repaired: %d objects", e.Objects)
		if e.UserRules > 0 {
			fmt.Fprintf(&out, ", with %d rules of the user's", e.UserRules)
		}
		fmt.Fprintf(&out, ", in %s", e.Took.Round(10*time.Microsecond))
	case Adopted:
		fmt.Fprintf(&out, "%s has changed the networks: taken over", e.By)
	case Failed:
		out.WriteString("the repair failed, and is tried again in " + e.Delay.String())
	case BackingOff:
		fmt.Fprintf(&out, "%s damages the rules again and again: the next repair is in %s", e.By, e.Delay)
	case Calm:
		out.WriteString("nobody damages the rules any more")
	case Unanchored:
		out.WriteString("there is no anchor: a flush of the ruleset will end connections and open networks until the repair")
	case TornDown:
		fmt.Fprintf(&out, "%s has torn the firewall down", e.By)
	case Missed:
		out.WriteString("changes came too fast to be heard")
	default:
		out.WriteString(e.Kind.String())
	}
	if e.Reason != "" {
		out.WriteString(": " + e.Reason)
	}
	return out.String()
}

func (e Event) what() string {
	out := strings.Join(e.Changes, ", ")
	if e.More > 0 {
		out += fmt.Sprintf(" and %d more", e.More)
	}
	return out
}

// log tells the logger what the event tells.
func (e Event) log(ctx context.Context, to *slog.Logger) {
	level := slog.LevelInfo
	switch e.Kind {
	case Damaged, Failed, BackingOff, Unanchored, Missed:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("event", e.Kind.String())}
	if e.By != (Process{}) {
		attrs = append(attrs, slog.String("process", e.By.Name), slog.Uint64("pid", uint64(e.By.PID)))
	}
	to.LogAttrs(ctx, level, e.String(), attrs...)
}
