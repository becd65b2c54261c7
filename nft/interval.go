package nft

import (
	"cmp"
	"slices"
)

// joinIntervals gives the elements of an interval set without concatenation
// their last keys: the kernel lists where an interval starts and where the
// next gap starts as two entries.
func joinIntervals(entries []elementDump) []elementDump {
	// Where one interval ends and the next starts, the end comes first.
	slices.SortFunc(entries, func(a, b elementDump) int {
		return cmp.Or(cmp.Compare(a.element.Key, b.element.Key), cmp.Compare(btoi(b.end), btoi(a.end)))
	})
	out := entries[:0]
	for i, d := range entries {
		if d.end {
			continue
		}
		el := d.element
		switch {
		case el.Key == "": // the catch-all
		case el.End != "":
			el.End, el.foreign = "", "an interval with an end of its own"
		case i+1 == len(entries):
			el.End = greatest(len(el.Key))
		case entries[i+1].end:
			el.End = before(entries[i+1].element.Key)
		default:
			el.foreign = "an interval without an end"
		}
		if el.End == el.Key {
			el.End = ""
		}
		out = append(out, d)
	}
	return out
}

// greatest is the last key of n bytes.
func greatest(n int) Value {
	b := make([]byte, n)
	for i := range b {
		b[i] = 0xff
	}
	return Value(b)
}

// before is the key before v, as numbers in network byte order.
func before(v Value) Value {
	b := []byte(v)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]--
		if b[i] != 0xff {
			break
		}
	}
	return Value(b)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
