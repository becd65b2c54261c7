package nft

// Changed tells which mark a statement changes, the packet's or the
// connection's, and how: to (mark & and) ^ xor. It is the reverse of the methods
// of [MarkField] that change one; ok is false for any other statement.
func Changed(s Statement) (f MarkField, and, xor uint32, ok bool) {
	m, ok := s.(setMark)
	if !ok {
		return MarkField{}, 0, 0, false
	}
	return MarkField{Field[uint32]{m.f}}, m.and, m.xor, true
}
