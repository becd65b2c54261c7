package nft

// CounterOf is [Counter], beginning with packets and bytes counted elsewhere.
func CounterOf(packets, bytes uint64) Statement { return counter{packets, bytes} }

// Counted returns what a counter has counted, as of when its rule was loaded; ok
// is false for other statements.
func Counted(s Statement) (packets, bytes uint64, ok bool) {
	c, ok := s.(counter)
	return c.packets, c.bytes, ok
}
