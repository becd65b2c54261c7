package compat

import (
	"regexp"
	"strings"
)

// Where the rules are from: files and functions of Docker's sources at the
// version that a layout follows. Paths of libnetwork leave out
// vendor/src/github.com/docker/libnetwork (1.9 and 1.10) and
// vendor/github.com/docker/libnetwork (17.06 to 20.10); those of Docker 29 leave
// out daemon/libnetwork/drivers/bridge/internal/iptabler.
var versionOf = map[string]string{
	"docker-1.9": "v1.9.1", "docker-1.10": "v1.10.3", "docker-17.06": "v17.06.0-ce", "docker-18.05": "v20.10.24", "docker-28": "v29.7.2",
}

const (
	tables19  = "drivers/bridge/setup_ip_tables.go "
	iptables9 = "iptables/iptables.go "
)

// sourcesEarly and sources28 tell, by chain and key without numbers, the function that
// writes a rule.
var sourcesEarly = map[string]string{
	"filter/FORWARD user":                   "firewall_linux.go arrangeUserFilterRule",
	"filter/DOCKER-USER initial":            "firewall_linux.go arrangeUserFilterRule: AddReturnRule",
	"filter/FORWARD isolation":              tables19 + "setupIPTables: ensureJumpRule",
	"filter/FORWARD n.icc":                  tables19 + "setIcc",
	"filter/FORWARD n.out":                  tables19 + "setupIPTablesInternal outRule",
	"filter/FORWARD n.answers":              iptables9 + "ProgramChain establish", // v1.9.1 and v1.10.3: see sourceOf
	"filter/FORWARD n.docker":               iptables9 + "ProgramChain link",
	"filter/FORWARD n.there":                tables19 + "setINC",
	"filter/FORWARD n.back":                 tables19 + "setINC",
	"filter/DOCKER-ISOLATION return":        tables19 + "setupIPChains: AddReturnRule",
	"filter/DOCKER-ISOLATION n.there":       tables19 + "setINC",
	"filter/DOCKER-ISOLATION n.back":        tables19 + "setINC",
	"filter/DOCKER-ISOLATION n.in":          tables19 + "setupInternalNetworkRules inDropRule",
	"filter/DOCKER-ISOLATION n.out":         tables19 + "setupInternalNetworkRules outDropRule",
	"filter/DOCKER-ISOLATION-STAGE- return": tables19 + "setupIPChains: AddReturnRule",
	"filter/DOCKER-ISOLATION-STAGE- n":      tables19 + "setINC",
	"filter/DOCKER-ISOLATION-STAGE- n.in":   tables19 + "setupInternalNetworkRules inDropRule",
	"filter/DOCKER-ISOLATION-STAGE- n.out":  tables19 + "setupInternalNetworkRules outDropRule",
	"filter/DOCKER b.":                      iptables9 + "Forward",
	"filter/DOCKER e.tcp":                   iptables9 + "Forward",
	"filter/DOCKER e.udp":                   iptables9 + "Forward",
	"filter/DOCKER e.sctp":                  iptables9 + "Forward",
	"filter/DOCKER l.":                      iptables9 + "Link",
	"filter/DOCKER l..back":                 iptables9 + "Link",
	"nat/PREROUTING docker":                 iptables9 + "ProgramChain preroute",
	"nat/OUTPUT docker":                     iptables9 + "ProgramChain output",
	"nat/POSTROUTING n.out":                 tables19 + "setupIPTablesInternal natRule",
	"nat/POSTROUTING n.host":                tables19 + "setupIPTablesInternal hpNatRule",
	"nat/POSTROUTING b.":                    iptables9 + "Forward",
	"nat/POSTROUTING e.tcp":                 iptables9 + "Forward",
	"nat/POSTROUTING e.udp":                 iptables9 + "Forward",
	"nat/POSTROUTING e.sctp":                iptables9 + "Forward",
	"nat/DOCKER n.own":                      tables19 + "setupIPTablesInternal skipDNAT",
	"nat/DOCKER b.":                         iptables9 + "Forward",
	"nat/DOCKER wsl":                        "v27.3.0 libnetwork/drivers/bridge/setup_ip_tables_linux.go mirroredWSL2Workaround",
	"mangle/POSTROUTING sctp":               iptables9 + "Forward sctp",
}

var sources28 = map[string]string{
	"filter/FORWARD user":                   "daemon/libnetwork/firewall_linux.go setupUserChain",
	"filter/FORWARD docker":                 "iptabler.go setupIPChains",
	"filter/DOCKER-FORWARD DOCKER-CT":       "iptabler.go setupIPChains",
	"filter/DOCKER-FORWARD DOCKER-INTERNAL": "iptabler.go setupIPChains",
	"filter/DOCKER-FORWARD DOCKER-BRIDGE":   "iptabler.go setupIPChains",
	"filter/DOCKER-FORWARD mark":            "network.go setupNonInternalNetworkRules ALLOW FW MARK",
	"filter/DOCKER-FORWARD n.icc":           "network.go setIcc",
	"filter/DOCKER-FORWARD n.out":           "network.go setupNonInternalNetworkRules outRule",
	"filter/DOCKER-INTERNAL n.in":           "network.go setupInternalNetworkRules inDropRule",
	"filter/DOCKER-INTERNAL n.out":          "network.go setupInternalNetworkRules outDropRule",
	"filter/DOCKER-CT n":                    "network.go setupIPTables ctRule",
	"filter/DOCKER-BRIDGE n":                "network.go setupIPTables jumpToDockerRule",
	"filter/DOCKER n.icmp":                  "network.go setICMP",
	"filter/DOCKER n.default":               "network.go setDefaultForwardRule",
	"filter/DOCKER e.tcp":                   "port.go setPerPortForwarding",
	"filter/DOCKER e.udp":                   "port.go setPerPortForwarding",
	"filter/DOCKER e.sctp":                  "port.go setPerPortForwarding",
	"filter/DOCKER l.":                      "link.go AddLink: daemon/libnetwork/iptables/iptables.go Link",
	"filter/DOCKER l..back":                 "link.go AddLink: daemon/libnetwork/iptables/iptables.go Link",
	"nat/PREROUTING docker":                 "network.go addNATJumpRules",
	"nat/OUTPUT docker":                     "network.go addNATJumpRules",
	"nat/POSTROUTING n.out":                 "network.go setupNonInternalNetworkRules natRule",
	"nat/POSTROUTING n.host":                "network.go setupNonInternalNetworkRules hpNatRule",
	"nat/POSTROUTING e.tcp":                 "port.go setPerPortNAT MASQUERADE",
	"nat/POSTROUTING e.udp":                 "port.go setPerPortNAT MASQUERADE",
	"nat/POSTROUTING e.sctp":                "port.go setPerPortNAT MASQUERADE",
	"nat/DOCKER b.":                         "port.go setPerPortNAT DNAT",
	"nat/DOCKER wsl":                        "wsl2.go mirroredWSL2Workaround",
	"raw/PREROUTING e.":                     "endpoint.go filterDirectAccess ACCEPT",
	"raw/PREROUTING e.drop":                 "endpoint.go filterDirectAccess DROP",
	"raw/PREROUTING b.":                     "port.go filterPortMappedOnLoopback DROP",
	"raw/PREROUTING b..wsl":                 "port.go filterPortMappedOnLoopback ACCEPT MIRRORED",
}

var (
	digits   = regexp.MustCompile(`[0-9]+`)
	markKeys = regexp.MustCompile(`^mark[0-9a-f.]+$`)
	pairKeys = regexp.MustCompile(`^n[0-9]+\.[0-9]+\.`)
)

// sourceOf tells where a rule of a layout is from, or "".
func sourceOf(l docker, r line) string {
	k := markKeys.ReplaceAllString(r.key, "mark")
	k = pairKeys.ReplaceAllString(k, "n.")
	k = digits.ReplaceAllString(r.table+"/"+r.chain+" "+k, "")
	from := sources28[k]
	if d, early := l.rules.(early); early {
		from = sourcesEarly[k]
		if k == "filter/FORWARD n.answers" && !d.acceptsFirst {
			from = tables19 + "setupIPTablesInternal inRule"
		}
	}
	if from == "" || strings.HasPrefix(from, "v") {
		return from
	}
	return versionOf[l.name] + " " + from
}
