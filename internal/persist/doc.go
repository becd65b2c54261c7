// Package persist is an immutable hash map that is cheap to change.
//
// A [Map] never changes: Set and Delete return a new Map that shares with the
// old one everything but the path to the changed key. Keeping an old Map is
// therefore a snapshot that costs nothing, and going back to it a rollback
// that cannot fail. Many changes at once go through an [Editor], which copies
// a part of the map once and from then on edits its own copy in place.
//
//	   Map (before)            Map (after one Set)
//	       │                       │
//	     root ──────┐            root'
//	    ╱    ╲      └────────╮  ╱    ╲
//	node      node ←─────────┴─╯      node'   only the path is new
//
// The structure is a hash array mapped trie of 32-way nodes (Bagwell, "Ideal
// Hash Trees", 2001) that keep entries and children apart and stay in one
// canonical form (Steindorfer and Vinju, OOPSLA 2015).
//
// Out of scope: ordered iteration, values that are compared, and any
// persistence on disk.
package persist
