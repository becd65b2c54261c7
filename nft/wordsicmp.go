package nft

import "fmt"

// An ARPOp is what an ARP packet asks or tells.
type ARPOp uint16

// ARP operations (RFC 826).
const (
	ARPRequest ARPOp = 1
	ARPReply   ARPOp = 2
)

// String returns nft's word for the operation, or its number.
func (o ARPOp) String() string {
	words := map[ARPOp]string{ARPRequest: "request", ARPReply: "reply", 3: "rrequest", 4: "rreply", 8: "inrequest", 9: "inreply", 10: "nak"}
	return wordOr(words, o)
}

// An ICMPMessage is the type of an ICMP packet.
type ICMPMessage uint8

// ICMP types (RFC 792).
const (
	ICMPEchoReply   ICMPMessage = 0
	ICMPUnreachable ICMPMessage = 3
	ICMPRedirect    ICMPMessage = 5
	ICMPEchoRequest ICMPMessage = 8
)

// String returns nft's word for the type, or its number.
func (m ICMPMessage) String() string {
	return wordOr(map[ICMPMessage]string{
		ICMPEchoReply: "echo-reply", ICMPUnreachable: "destination-unreachable", 4: "source-quench", ICMPRedirect: "redirect",
		ICMPEchoRequest: "echo-request", 9: "router-advertisement", 10: "router-solicitation", 11: "time-exceeded",
		12: "parameter-problem", 13: "timestamp-request", 14: "timestamp-reply", 15: "info-request", 16: "info-reply",
		17: "address-mask-request", 18: "address-mask-reply",
	}, m)
}

// An ICMPv6Message is the type of an ICMPv6 packet.
type ICMPv6Message uint8

// ICMPv6 types (RFC 4443, 2710, 4861, 3122, 2894, 3810, 4286).
const (
	ICMPv6EchoRequest           ICMPv6Message = 128
	ICMPv6EchoReply             ICMPv6Message = 129
	MLDQuery                    ICMPv6Message = 130
	MLDReport                   ICMPv6Message = 131
	MLDDone                     ICMPv6Message = 132
	NDRouterSolicit             ICMPv6Message = 133
	NDRouterAdvert              ICMPv6Message = 134
	NDNeighborSolicit           ICMPv6Message = 135
	NDNeighborAdvert            ICMPv6Message = 136
	NDRedirect                  ICMPv6Message = 137
	ICMPv6RouterRenumbering     ICMPv6Message = 138
	INDSolicit                  ICMPv6Message = 141
	INDAdvert                   ICMPv6Message = 142
	MLDv2Report                 ICMPv6Message = 143
	MulticastRouterAdvert       ICMPv6Message = 151
	MulticastRouterSolicitation ICMPv6Message = 152
	MulticastRouterTermination  ICMPv6Message = 153
)

// String returns nft's word for the type, or its number.
func (m ICMPv6Message) String() string {
	return wordOr(map[ICMPv6Message]string{
		1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem",
		ICMPv6EchoRequest: "echo-request", ICMPv6EchoReply: "echo-reply",
		MLDQuery: "mld-listener-query", MLDReport: "mld-listener-report", MLDDone: "mld-listener-done",
		NDRouterSolicit: "nd-router-solicit", NDRouterAdvert: "nd-router-advert", NDNeighborSolicit: "nd-neighbor-solicit",
		NDNeighborAdvert: "nd-neighbor-advert", NDRedirect: "nd-redirect", ICMPv6RouterRenumbering: "router-renumbering",
		INDSolicit: "ind-neighbor-solicit", INDAdvert: "ind-neighbor-advert", MLDv2Report: "mld2-listener-report",
	}, m)
}

func wordOr[T ~uint8 | ~uint16](words map[T]string, v T) string {
	if word := words[v]; word != "" {
		return word
	}
	return fmt.Sprintf("%d", v)
}
