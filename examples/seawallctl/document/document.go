package document

import (
	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A Document is what a host's firewall should have.
type Document struct {
	// File is the name that was given to Parse.
	File string
	// Layout is the layout's name.
	Layout string
	// Host is the firewall's options.
	Host bridge.Host
	// Accounting asks for [bridge.Config].Accounting, which is no option of the
	// firewall but one of the host's.
	Accounting bool
	Networks   []*Network
	Endpoints  []*Endpoint
	// UserRules are the user's chains, DOCKER-USER first, by family. A family
	// that is not there is left as it is.
	UserRules map[nft.Family]*UserRules

	firewall place
}

// A Network is an entry of "networks".
type Network struct {
	// Spec is as it was written: defaults are missing.
	Spec bridge.NetworkSpec
	place
}

// An Endpoint is an entry of "endpoints".
type Endpoint struct {
	// Network is the network's name.
	Network string
	// Spec is as it was written: defaults are missing.
	Spec    bridge.EndpointSpec
	Publish []Publication
	Links   []Link
	place
}

// A Publication is an entry of an endpoint's "publish".
type Publication struct {
	Port  portmap.Binding
	Scope bridge.Scope
	place
}

// A Link is an entry of an endpoint's "links".
type Link struct {
	To    string
	Ports []bridge.LinkPort
	place
}

// UserRules are a family's rules of DOCKER-USER, and of chains of the user's own.
type UserRules struct {
	// Save is the chains as iptables-save would write them, DOCKER-USER first.
	Save *iptables.Save
	place
}
