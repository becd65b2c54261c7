// Package document is the file that seawallctl applies: all that a host's
// firewall should have, in YAML or JSON.
//
//	Parse ──► Document ──Facts──► bridge.View ──► package plan
//	                                  │
//	         Listing ◄────List────────┘   what `ls --json` prints, and Parse reads
//
// What is wrong is refused with file, line and reason: unknown keys, bad values,
// and what the library refuses. Everything in this package depends on its input
// alone; nothing asks the kernel.
package document
