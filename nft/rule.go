package nft

// A Rule is a list of statements, evaluated from left to right until one of
// them does not match or a verdict is reached.
type Rule struct {
	Chain ChainRef
	// Key is the rule's stable identity among the rules of its chain: 1 to 64
	// bytes, kept in the kernel, invisible to nft and iptables. A rule without
	// a key is somebody else's: Diff never touches it in an Open chain, and
	// removes it from others.
	Key string
	// Rank is the rule's place in its chain: keyed rules stand in ascending
	// order of rank, equal ranks in the order of arrival. Rules of negative
	// rank are kept before, the others behind, the rules of others: a new one
	// is put right behind our one before it, or at the head, and else right
	// before our one behind it, or at the end.
	Rank int
	// Statements is what the rule does.
	Statements []Statement
	// Comment is shown by nft; at most 128 bytes. Comment, Key, Rank and
	// Userdata share 254 bytes.
	Comment  string
	Userdata string
	// Handle is the kernel's number for the rule; zero in a rule that was not
	// loaded. It does not count when rules are compared.
	Handle uint64

	// loaded is what Load found; nil in other rules.
	loaded *loadedRule
}

// quote writes a string as nft does. There is no escaping: see [ValidComment].
func quote(s string) string { return `"` + s + `"` }
