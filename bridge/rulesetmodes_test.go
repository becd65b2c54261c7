package bridge_test

import (
	"net/netip"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// modeScenarios are those with options of networks.
func modeScenarios() []scenario {
	return []scenario{
		{
			name: "internal", title: "An internal network",
			about: `Its containers reach each other, and the host by its address on their bridge. They have no default route; where
				one is added, it leads nowhere.`,
			docker: `
				docker network create --internal --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-in in
				docker network create --ipv6 --subnet 172.19.0.0/24 --subnet fd00:19::/64 \
					-o com.docker.network.bridge.name=br-front front
				docker run -d --network in --name db db
				docker run -d --network in --name job job
				docker run -d --network in --name rogue --cap-add NET_ADMIN rogue
				docker run -d --network front --name web -p 8080:80 web
				docker exec rogue sh -c 'ip route add default via 172.18.0.1; ip route add default via fd00:18::1'
			`,
			update: internalNetwork,
			ipv6:   "'host-br-in' also accepts ICMPv6, and what is for a link-local address",
			surroundings: func(w *world) {
				w.spaces["rogue"].Route("0.0.0.0/0", "172.18.0.1")
				w.spaces["rogue"].Route("::/0", "fd00:18::1")
			},
			fates: `
				job   tcp,udp  db:80       db sees job    ; bridged, without a look at the ruleset
				host  tcp,udp  db:80       db sees gw-in  ; what the host sends is not forwarded
				job   tcp      gw-in:22    host sees job  ; 'host-br-in' accepts what is for this address
				job   tcp      gw-in:8080  silent         ; 'publish' translates, and then 'from-br-in' drops
				job   tcp      host:22     unreachable    ; there is no default route
				job   tcp      ext:80      unreachable    ; likewise
				web   tcp      db:80       silent         ; 'from-br-front' asks 'to-br-in', which drops
				ext   tcp      db:80       silent         ; 'guard' leads to 'guard-br-in'
				# Rogue has added a default route by hand:
				rogue tcp      gw-in:22    host sees rogue  ; as before
				rogue tcp      host:22     silent         ; 'host-br-in' drops what is for another address
				rogue tcp      host:8080   silent         ; 'publish' translates, and then 'from-br-in' drops
				rogue tcp      ext:80      silent         ; 'from-br-in' drops
				rogue tcp      web:80      silent         ; likewise
			`,
		},
		{
			name: "isolated", title: "An isolated network",
			about: `An internal network whose bridge has no address of the host's. Its containers reach each other, and nobody
				else.`,
			docker: `
				docker network create --internal --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-in \
					-o com.docker.network.bridge.gateway_mode_ipv4=isolated \
					-o com.docker.network.bridge.gateway_mode_ipv6=isolated in
				docker run -d --network in --name db db
				docker run -d --network in --name job job
			`,
			update: isolatedNetwork,
			ipv6:   "'host-br-in' also accepts ICMPv6",
			fates: `
				job   tcp,udp  db:80    db sees job  ; bridged, without a look at the ruleset
				job   tcp      host:22  unreachable  ; there is no route
				job   tcp      ext:80   unreachable  ; likewise
				host  tcp      db:80    unreachable  ; the host has no route either
				ext   tcp      db:80    silent       ; 'guard' leads to 'guard-br-in'
			`,
		},
		{
			name: "icc-off", title: "A network without ICC",
			about: `Inter-container communication is off: containers do not reach each other, but for what they publish, by the host's
				addresses. That is decided about frames, in a [table of its own](frames.md), since they need not pass the others.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front -o com.docker.network.bridge.enable_icc=false front
				docker run -d --network front --name web -p 8080:80 web
				docker run -d --network front --name app app
			`,
			update: withoutICC,
			fates: `
				app   tcp,udp  web:80         silent             ; frames from one port to another are dropped in table bridge seawall
				app   icmp     web            silent             ; likewise
				app   tcp      host:8080      web sees gw-front  ; 'from-br-front' has it in 'open'; 'nat-from-br-front' masquerades
				app   tcp      gw-front:8080  web sees gw-front  ; likewise
				ext   tcp      host:8080      web sees ext       ; 'to-br-front' has it in 'open'
				host  tcp      web:81         web sees gw-front  ; what the host sends is not forwarded
				app   tcp      ext:80         ext sees host      ; 'from-br-front' accepts, 'nat-from-br-front' masquerades
			`,
		},
		{
			name: "frames", title: "Frames: anti-spoofing, and ICC off",
			about: `A container sends in its own name only: with its own MAC, IP and ARP addresses, and neither as a router nor as a
				DHCP server. Its interface on the host is known by name before it exists. This network has no ICC either: frames from one
				interface to another are dropped, but for those to a published port, which are marked on the way.`,
			update:   frames,
			families: []nft.Family{nft.Bridge},
			fates: `
				web  tcp,udp  ext:80  ext sees host  ; 'prerouting' finds nothing wrong
				app  tcp,udp  web:80  silent         ; 'forward' finds both interfaces in 'icc-off'
			`,
			forged: `
				# Raw frames with somebody's address as their source:
				web  as web   udp  ext:80  ext gets it       ; 'own-ip4' and 'own-ip6' have it
				web  as app   udp  ext:80  ext gets nothing  ; 'own-ip4' and 'own-ip6' have no such element
				web  as ext   udp  ext:80  ext gets nothing  ; likewise
				web  as host  udp  ext:80  ext gets nothing  ; likewise
			`,
		},
		{
			name: "routed", title: "A routed network",
			about: `Nothing is translated. Whoever has a route to the subnet reaches published ports by the containers' own addresses,
				and may ping them. What a publication says about the host is without effect.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front \
					-o com.docker.network.bridge.gateway_mode_ipv4=routed \
					-o com.docker.network.bridge.gateway_mode_ipv6=routed front
				docker run -d --network front --name web -p 8080:80 web
			`,
			update: routedNetwork,
			fates: `
				ext   tcp   web:80       web sees ext       ; 'to-br-front' has it in 'direct'
				ext   icmp  web          delivered          ; 'to-br-front' accepts
				ext   tcp   web:81       silent             ; 'to-br-front' drops
				ext   udp   web:80       silent             ; likewise: it was published for TCP
				ext   tcp   host:8080    refused            ; 'publish' finds nothing in its maps
				ext   tcp   gw-front:22  host sees ext      ; 'guard-br-front' is empty: the host is reached there, too
				host  tcp   web:81       web sees gw-front  ; it is the address that the host has there
				web   tcp   ext:80       ext sees web       ; 'from-br-front' accepts
			`,
		},
		{
			name: "nat-unprotected", title: "Gateway mode nat-unprotected",
			about: `Ports are published as with nat. But whoever has a route to the subnet reaches all others, too.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front \
					-o com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected \
					-o com.docker.network.bridge.gateway_mode_ipv6=nat-unprotected front
				docker run -d --network front --name web -p 8080:80 web
			`,
			update: unprotectedNetwork,
			fates: `
				ext   tcp      host:8080    web sees ext   ; 'publish' translates, 'to-br-front' accepts
				ext   tcp,udp  web:80       web sees ext   ; 'guard' accepts, 'to-br-front' accepts
				ext   tcp,udp  web:81       web sees ext   ; likewise
				ext   icmp     web          delivered      ; likewise
				ext   tcp      gw-front:22  host sees ext  ; 'guard-br-front' is empty: the host is reached there, too
				web   tcp,udp  ext:80       ext sees host  ; 'nat-from-br-front' masquerades
			`,
		},
		{
			name: "source-addresses", title: "Other source addresses than masquerading gives",
			about: `Containers of one network leave with a fixed address of the host's, those of the other with their own. The LAN
				has to know the way back to these; replies pass, and what nobody asked for does not.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front \
					-o com.docker.network.host_ipv4=192.0.2.3 -o com.docker.network.host_ipv6=2001:db8:1::3 front
				docker network create --ipv6 --subnet 172.19.0.0/24 --subnet fd00:19::/64 \
					-o com.docker.network.bridge.name=br-back -o com.docker.network.bridge.enable_ip_masquerade=false back
				docker run -d --network front --name web web
				docker run -d --network back --name db db
			`,
			update: sourceAddresses,
			fates: `
				web   tcp,udp  ext:80   ext sees host2  ; 'nat-from-br-front' translates
				db    tcp,udp  ext:80   ext sees db     ; 'nat-from-br-back' has no rule for it; 'late-prerouting' accepts the reply
				ext   tcp,udp  db:80    silent          ; 'guard-late' leads to 'guard-br-back'
				ext   tcp,udp  web:80   silent          ; 'guard' leads to 'guard-br-front'
			`,
		},
		{
			name: "dual-stack", title: "Another mode for IPv6",
			about: `Containers share the host's IPv4 address, and are reached by their own IPv6 addresses.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front -o com.docker.network.bridge.gateway_mode_ipv6=routed front
				docker run -d --network front --name web -p 8080:80 web
			`,
			update:   dualStack,
			families: []nft.Family{nft.IPv4, nft.IPv6},
			fates: `
				ext   tcp4  host:8080  web sees ext   ; 'publish' translates, 'to-br-front' has it in 'open'
				ext   tcp6  host:8080  refused        ; 'publish' finds nothing in its maps
				ext   tcp4  web:80     silent         ; 'guard' leads to 'guard-br-front'
				ext   tcp6  web:80     web sees ext   ; 'guard' accepts, 'to-br-front' has it in 'direct'
				ext   tcp   web:81     silent         ; 'guard-br-front' drops it in IPv4, 'to-br-front' in IPv6
				web   tcp4  ext:80     ext sees host  ; 'nat-from-br-front' masquerades
				web   tcp6  ext:80     ext sees web   ; there is no such chain for IPv6
			`,
		},
		{
			name: "trusted-interface", title: "A trusted interface",
			about: `From the interface eth1 published ports are reached by the containers' own addresses, too. Branch is a neighbour
				there, with the host's addresses 203.0.113.1 and 2001:db8:2::1 as its gateway.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front \
					-o com.docker.network.bridge.trusted_host_interfaces=eth1 front
				docker run -d --network front --name web -p 8080:80 web
			`,
			update: trustedInterface,
			surroundings: func(w *world) {
				w.spaces["branch"] = w.Namespace("branch")
				w.name("branch", "203.0.113.2", "2001:db8:2::2")
				lan := w.LAN("branch")
				lan.Plug(w.host, "eth1", "203.0.113.1/24", "2001:db8:2::1/64")
				lan.Plug(w.spaces["branch"], "eth0", "203.0.113.2/24", "2001:db8:2::2/64")
				w.spaces["branch"].Route("0.0.0.0/0", "203.0.113.1")
				w.spaces["branch"].Route("::/0", "2001:db8:2::1")
			},
			fates: `
				branch  tcp  host:8080  web sees branch  ; 'publish' translates, 'to-br-front' has it in 'open'
				branch  tcp  web:80     web sees branch  ; 'guard-br-front' and 'to-br-front' accept it from eth1
				branch  tcp  web:81     silent           ; 'to-br-front' drops
				ext     tcp  host:8080  web sees ext     ; 'publish' translates, 'to-br-front' has it in 'open'
				ext     tcp  web:80     silent           ; 'guard-br-front' drops
			`,
		},
	}
}

func internalNetwork(tx *bridge.Tx) {
	in := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "in", Bridge: "br-in", Internal: true,
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.19.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:19::/64")},
	})
	in.Attach(bridge.EndpointSpec{
		Name: "db", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	in.Attach(bridge.EndpointSpec{
		Name: "job", IPv4: netip.MustParseAddr("172.18.0.3"), IPv6: netip.MustParseAddr("fd00:18::3"),
	})
	in.Attach(bridge.EndpointSpec{
		Name: "rogue", IPv4: netip.MustParseAddr("172.18.0.4"), IPv6: netip.MustParseAddr("fd00:18::4"),
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.19.0.2"), IPv6: netip.MustParseAddr("fd00:19::2"),
	})
	web.Publish(portmap.MustParse("8080:80"))
}

func isolatedNetwork(tx *bridge.Tx) {
	in := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "in", Bridge: "br-in", Internal: true,
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24"), Mode: bridge.Isolated},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64"), Mode: bridge.Isolated},
	})
	in.Attach(bridge.EndpointSpec{
		Name: "db", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	in.Attach(bridge.EndpointSpec{
		Name: "job", IPv4: netip.MustParseAddr("172.18.0.3"), IPv6: netip.MustParseAddr("fd00:18::3"),
	})
}

func withoutICC(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front", DisableICC: true,
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(portmap.MustParse("8080:80"))
	front.Attach(bridge.EndpointSpec{
		Name: "app", IPv4: netip.MustParseAddr("172.18.0.3"), IPv6: netip.MustParseAddr("fd00:18::3"),
	})
}

func frames(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front", DisableICC: true,
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	front.Attach(bridge.EndpointSpec{
		Name: "web", HostIfName: "port-web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	front.Attach(bridge.EndpointSpec{
		Name: "app", HostIfName: "port-app", IPv4: netip.MustParseAddr("172.18.0.3"), IPv6: netip.MustParseAddr("fd00:18::3"),
	})
}

func routedNetwork(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24"), Mode: bridge.Routed},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64"), Mode: bridge.Routed},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(portmap.MustParse("8080:80"))
}

func unprotectedNetwork(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24"), Mode: bridge.NATUnprotected},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64"), Mode: bridge.NATUnprotected},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(portmap.MustParse("8080:80"))
}

func sourceAddresses(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24"), SNAT: netip.MustParseAddr("192.0.2.3")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64"), SNAT: netip.MustParseAddr("2001:db8:1::3")},
	})
	back := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "back", Bridge: "br-back", DisableMasquerade: true,
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.19.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:19::/64")},
	})
	front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	back.Attach(bridge.EndpointSpec{
		Name: "db", IPv4: netip.MustParseAddr("172.19.0.2"), IPv6: netip.MustParseAddr("fd00:19::2"),
	})
}

func dualStack(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64"), Mode: bridge.Routed},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(portmap.MustParse("8080:80"))
}

func trustedInterface(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front", TrustedInterfaces: []string{"eth1"},
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(portmap.MustParse("8080:80"))
}
