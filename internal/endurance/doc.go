// Package endurance sends packets without pause while the firewall is changed,
// restarted and damaged, and counts: what is allowed has to arrive, all of it,
// and of what is forbidden nothing. It holds tests only.
package endurance
