// Package conformance compares who reaches whom, and with which source address,
// with what Docker 29 does on the same hosts and networks. It holds tests only.
//
// The expectations are the tables of docs/conformance.md. Where they differ from
// Docker, they name an entry of docs/differences.md.
package conformance
