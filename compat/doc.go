// Package compat lets people keep what they have of iptables.
package compat
