package nft

// same reports whether two rules are equal in all but their handles.
func (r *Rule) same(o *Rule) bool {
	return r.Key == o.Key && r.Rank == o.Rank && r.Userdata == o.Userdata && r.String() == o.String()
}
