// Package netns creates Linux network namespaces and runs code inside them.
//
// A namespace is held as an open file on it (as under /proc/PID/ns/net or /run/netns): it lives as long as
// something holds it open, is mounted on it, or runs in it. Nothing here stays behind on the calling goroutine or its
// OS thread.
//
// Out of scope: links, addresses and anything else inside a namespace, not even loopback is brought up.
package netns
