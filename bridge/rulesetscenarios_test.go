package bridge_test

import (
	"net/netip"
	"slices"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

func scenarios() []scenario {
	return slices.Concat([]scenario{
		{
			name: "every-host", title: "What every host has",
			about: `Before there is a network, there are base chains that look packets up in empty maps. They stay as they are
				with any number of networks and ports. There is a table about [frames](frames.md), too.`,
			ipv6: "'nat-prerouting' leaves link-local clients alone",
			fates: `
				ext   tcp      host:22    host sees ext   ; the host's own services are no chain's business
				ext   tcp,udp  host:8080  refused         ; 'publish' finds nothing in its maps, and the host has no such service
				host  tcp,udp  ext:80     ext sees host   ; 'nat-output' asks only for packets to the host itself
			`,
		},
		{
			name: "published-port", title: "A network with a published port",
			about: `Web publishes its port 80 as the host's port 8080, on all addresses. App is in the same network and publishes
				nothing.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front front
				docker run -d --network front --name web -p 8080:80 -p 8080:80/udp web
				docker run -d --network front --name app app
			`,
			update: publishedPort,
			fates: `
				# From the LAN, the published port is reached by the host's addresses, and nothing else:
				ext   tcp,udp  host:8080      web sees ext       ; 'publish' translates, 'to-br-front' finds the port in 'open'
				ext   tcp,udp  host:81        refused            ; nobody has published it
				ext   tcp,udp  web:80         silent             ; 'guard' leads to 'guard-br-front', before DOCKER-USER
				ext   tcp,udp  app:81         silent             ; likewise
				ext   tcp,udp  gw-front:8080  silent             ; 'guard' has the host's address on the bridge, too
				# The host reaches everything. It has the gateway's address there, whichever it asks:
				host  tcp,udp  host:8080      web sees gw-front  ; 'nat-output' asks 'publish'; 'nat-to-br-front' masquerades
				host  tcp,udp  loopback:8080  web sees gw-front  ; likewise; the bridge has route_localnet, and a route for ::1
				host  tcp,udp  web:81         web sees gw-front  ; no translation
				# Containers reach each other, the world, and the published port:
				app   tcp,udp  web:81         web sees app       ; bridged, without a look at the ruleset
				app   tcp,udp  host:8080      web sees gw-front  ; 'from-br-front' accepts, 'nat-from-br-front' masquerades
				web   tcp,udp  host:8080      web sees gw-front  ; likewise (hairpin)
				app   tcp      host:22        host sees app      ; the host is not behind the forward chain
				app   tcp,udp  ext:80         ext sees host      ; 'from-br-front' accepts, 'nat-from-br-front' masquerades
			`,
		},
		{
			name: "host-addresses", title: "Ports published on some of the host's addresses",
			about: `One port is published on the loopback addresses, for the host alone, and one on a single address of the LAN.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front front
				docker run -d --network front --name web -p 127.0.0.1:8080:80 -p '[::1]:8080:80' \
					-p 192.0.2.1:8081:81 -p '[2001:db8:1::1]:8081:81' web
				docker run -d --network front --name app app
			`,
			update: hostAddresses,
			fates: `
				host  tcp  loopback:8080  web sees gw-front  ; 'published' has the address; 'nat-to-br-front' masquerades
				host  tcp  host:8080      refused            ; 'published' does not have this one
				ext   tcp  host:8080      refused            ; likewise
				app   tcp  gw-front:8080  refused            ; likewise
				ext   tcp  host:8081      web sees ext       ; 'published' has the address
				ext   tcp  host2:8081     refused            ; 'published' does not have this one
				host  tcp  loopback:8081  refused            ; likewise
				app   tcp  host:8081      web sees gw-front  ; 'from-br-front' accepts, 'nat-from-br-front' masquerades
				ext   tcp  web:80         silent             ; 'guard' leads to 'guard-br-front'
			`,
		},
		{
			name: "ranges", title: "Ranges of ports",
			about: `A range whose ports are the same on both sides is one element, however long it is. One that is shifted is an
				element for each port.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front front
				docker run -d --network front --name web -p 80-89:80-89 -p 8080-8081:80-81 web
			`,
			update: ranges,
			fates: `
				ext   tcp  host:80    web sees ext  ; 'ranges' has it, and 'open-ranges'
				ext   tcp  host:81    web sees ext  ; likewise
				ext   tcp  host:89    refused       ; likewise: it is web that does not answer there
				ext   tcp  host:8081  web sees ext  ; 'published-any' has it, and 'open'
				ext   tcp  host:8082  refused       ; nobody has published it
				ext   tcp  web:80     silent        ; 'guard' leads to 'guard-br-front'
			`,
		},
		{
			name: "two-networks", title: "Two networks",
			about: `Networks are separate: what one publishes is reached from the other by the host's addresses, and nothing else
				is.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front front
				docker network create --ipv6 --subnet 172.19.0.0/24 --subnet fd00:19::/64 \
					-o com.docker.network.bridge.name=br-back back
				docker run -d --network front --name web -p 8080:80 web
				docker run -d --network back --name db db
			`,
			update: twoOfThem,
			fates: `
				db    tcp      host:8080     web sees gw-front  ; 'from-br-back' asks 'to-br-front': translated, and in 'open'
				db    tcp      gw-back:8080  web sees gw-front  ; likewise
				db    tcp,udp  web:80        silent             ; 'from-br-back' asks 'to-br-front': not translated
				db    tcp,udp  web:81        silent             ; likewise
				web   tcp,udp  db:80         silent             ; 'from-br-front' asks 'to-br-back': not translated
				ext   tcp,udp  db:80         silent             ; 'guard' leads to 'guard-br-back'
				db    tcp,udp  ext:80        ext sees host      ; 'from-br-back' accepts, 'nat-from-br-back' masquerades
			`,
		},
		{
			name: "userland-proxy", title: "With a userland proxy",
			about: `The runtime has a proxy, which listens on the published port itself. What the host sends to its loopback addresses,
				and what comes from the network that the port leads to, is left to it; everybody else is translated. The proxy is played by a
				listener of the host's.`,
			docker: `
				# The default: "userland-proxy": true
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front front
				docker run -d --network front --name web -p 8080:80 -p 8080:80/udp web
				docker run -d --network front --name app app
			`,
			cfg:          bridge.Config{UserlandProxy: true, UnheldPorts: true},
			open:         "fw, err := bridge.Open(ctx, bridge.Config{UserlandProxy: true, UnheldPorts: true})",
			update:       publishedPort,
			surroundings: func(w *world) { w.serve("host", 8080) },
			fates: `
				host  tcp,udp  loopback:8080  host sees loopback  ; 'nat-output' asks nothing for it: the proxy's
				app   tcp,udp  host:8080      host sees app       ; 'own' leaves it to the proxy, by 'own-published-any'
				web   tcp,udp  host:8080      host sees web       ; likewise
				host  tcp,udp  host:8080      web sees host       ; 'nat-output' asks 'publish'
				ext   tcp,udp  host:8080      web sees ext        ; 'publish' translates, 'to-br-front' finds the port in 'open'
				ext   tcp,udp  web:80         silent              ; 'guard' leads to 'guard-br-front'
				host  tcp,udp  web:80         web sees gw-front   ; so the proxy reaches it
				app   tcp,udp  ext:80         ext sees host       ; 'nat-from-br-front' masquerades
			`,
		},
		{
			name: "for-some-only", title: "A port for some only",
			about: `One port is for a subnet of the LAN, another for the host itself. Docker has nothing like it. Who is out of scope
				meets the socket that holds the port.`,
			docker: `
				# Docker has no such option.
			`,
			update: forSomeOnly,
			fates: `
				ext   tcp  host:8080      web sees ext       ; its subnet is in scope: 'publish' goes on and translates
				app   tcp  host:8080      silent             ; out of scope: its chain ends the translation
				host  tcp  host:8080      silent             ; what the host sends comes by no interface
				host  tcp  host:8081      web sees gw-front  ; the scope is the host itself
				ext   tcp  host:8081      silent             ; everybody else is out of scope
				ext   tcp  web:80         silent             ; 'guard' leads to 'guard-br-front'
			`,
		},
		{
			name: "links", title: "Links where there is no ICC",
			about: `The network's containers do not reach each other, but for web, which may open connections to app's port 80. The host
				routes what passes between the two, so that it is judged by connection.`,
			docker: `
				# With --icc=false, on the default bridge:
				docker run -d --name app app
				docker run -d --name web --link app web
			`,
			update:   linked,
			families: []nft.Family{nft.IPv4, nft.Bridge},
			fates: `
				web   tcp  app:80     app sees web     ; 'link-prerouting' hands it to the host, 'from-br-front' finds it in 'links'
				web   tcp  app:81     silent           ; not in 'links'
				web   udp  app:80     silent           ; likewise
				app   tcp  web:80     silent           ; 'links' leads one way; answers are those of an established connection
				ext   tcp  host:8080  web sees ext     ; published ports are as ever
				app   tcp  host:8080  web sees gw-front ; by an address of the host
			`,
		},
		{
			name: "docker-user", title: "Rules of the user's own",
			about: `DOCKER-USER is asked before the networks' own rules. It sees the container's address and port; the port that was
				asked for is in the connection's original direction. An accept is final, a return falls through. The guard in raw prerouting
				comes before: an accept opens nothing to the LAN.`,
			docker: `
				docker network create --ipv6 --subnet 172.18.0.0/24 --subnet fd00:18::/64 \
					-o com.docker.network.bridge.name=br-front front
				docker network create --ipv6 --subnet 172.19.0.0/24 --subnet fd00:19::/64 \
					-o com.docker.network.bridge.name=br-back back
				docker run -d --network front --name web -p 8080:80 -p 8081:81 -p 8082:81 web
				docker run -d --network back --name db db
				# and with ip6tables
				iptables -A DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 8081 -j DROP
				iptables -A DOCKER-USER -i br-back -o br-front -p tcp --dport 81 -j ACCEPT
			`,
			update: userRules,
			fates: `
				ext   tcp  host:8080  web sees ext       ; no rule of 'DOCKER-USER' is about it; 'to-br-front' accepts
				ext   tcp  host:8081  silent             ; 'DOCKER-USER' drops it
				ext   tcp  host:8082  web sees ext       ; another port on the host, for the same port of web's
				host  tcp  host:8081  web sees gw-front  ; what the host sends is not forwarded
				db    tcp  web:81     web sees gw-front  ; 'DOCKER-USER' accepts it; 'nat-from-br-back' masquerades
				db    tcp  web:80     silent             ; 'from-br-back' asks 'to-br-front': not translated
				ext   tcp  web:81     silent             ; 'guard' leads to 'guard-br-front', before DOCKER-USER
			`,
		},
	}, modeScenarios())
}

func publishedPort(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(portmap.MustParse("8080:80"), portmap.MustParse("8080:80/udp"))
	front.Attach(bridge.EndpointSpec{
		Name: "app", IPv4: netip.MustParseAddr("172.18.0.3"), IPv6: netip.MustParseAddr("fd00:18::3"),
	})
}

func hostAddresses(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(
		portmap.MustParse("127.0.0.1:8080:80"), portmap.MustParse("[::1]:8080:80"),
		portmap.MustParse("192.0.2.1:8081:81"), portmap.MustParse("[2001:db8:1::1]:8081:81"),
	)
	front.Attach(bridge.EndpointSpec{
		Name: "app", IPv4: netip.MustParseAddr("172.18.0.3"), IPv6: netip.MustParseAddr("fd00:18::3"),
	})
}

func ranges(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(portmap.MustParse("80-89:80-89"), portmap.MustParse("8080-8081:80-81"))
}

func twoOfThem(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	back := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "back", Bridge: "br-back",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.19.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:19::/64")},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(portmap.MustParse("8080:80"))
	back.Attach(bridge.EndpointSpec{
		Name: "db", IPv4: netip.MustParseAddr("172.19.0.2"), IPv6: netip.MustParseAddr("fd00:19::2"),
	})
}

func forSomeOnly(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.PublishWithin(bridge.Scope{
		Interface: "eth0",
		From:      []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:1::/64")},
	}, portmap.MustParse("8080:80"))
	web.PublishWithin(bridge.Scope{Interface: "lo"}, portmap.MustParse("8081:80"))
	front.Attach(bridge.EndpointSpec{
		Name: "app", IPv4: netip.MustParseAddr("172.18.0.3"), IPv6: netip.MustParseAddr("fd00:18::3"),
	})
}

func linked(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front", DisableICC: true,
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	front.Attach(bridge.EndpointSpec{
		Name: "app", IPv4: netip.MustParseAddr("172.18.0.3"), IPv6: netip.MustParseAddr("fd00:18::3"),
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(portmap.MustParse("8080:80"))
	web.Link("app", bridge.LinkPort{Ports: portmap.Port(80)})
}

func userRules(tx *bridge.Tx) {
	front := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "front", Bridge: "br-front",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
	})
	back := tx.CreateNetwork(bridge.NetworkSpec{
		Name: "back", Bridge: "br-back",
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.19.0.0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:19::/64")},
	})
	web := front.Attach(bridge.EndpointSpec{
		Name: "web", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
	})
	web.Publish(portmap.MustParse("8080:80"), portmap.MustParse("8081:81"), portmap.MustParse("8082:81"))
	back.Attach(bridge.EndpointSpec{
		Name: "db", IPv4: netip.MustParseAddr("172.19.0.2"), IPv6: netip.MustParseAddr("fd00:19::2"),
	})

	tx.UserChain().Append(bridge.UserRule{Statements: []nft.Statement{
		nft.IIFName.Eq("eth0"), nft.MetaL4Proto.Eq(nft.TCP), nft.CTOriginalDport.Eq(8081), nft.Drop(),
	}})
	tx.UserChain().Append(bridge.UserRule{Statements: []nft.Statement{
		nft.IIFName.Eq("br-back"), nft.OIFName.Eq("br-front"), nft.TCPDport.Eq(81), nft.Accept(),
	}})
}
