package nft

// An Element is one entry of a set or map.
type Element struct {
	Set SetRef
	Key Value
	// End is the last key of a range, inclusive, in an interval set with a
	// concatenated key; empty for a single key.
	End Value
	// Data is what a map's element leads to.
	Data Value
	// Verdict is what a verdict map's element leads to.
	Verdict Verdict
	// Comment is shown by nft; at most 128 bytes. Comment and Userdata share
	// 252 bytes.
	Comment  string
	Userdata string
	// Packets and Bytes are read by Load where the set has counters. An element
	// that is added with them, to such a set, goes on counting from there. They
	// do not count when elements are compared.
	Packets, Bytes uint64

	// foreign holds attributes that Load found and this type cannot express.
	foreign string
}

// same reports whether two elements mean the same: all but their counters.
func (e *Element) same(o *Element) bool {
	a, b := *e, *o
	a.Packets, a.Bytes, b.Packets, b.Bytes = 0, 0, 0, 0
	return a == b
}
