package iptables

import "strings"

// serviceNames are the usual names of ports, as in Debian's /etc/services,
// which is not read: what a rule means would depend on the host. Each line is a
// port, the protocols that the names are for (t, u, s) and the names.
const serviceNames = `
1 t tcpmux
7 tu echo
9 tu discard sink null
11 t systat users
13 tu daytime
15 t netstat
17 t qotd quote
19 tu chargen ttytst source
20 t ftp-data
21 t ftp
21 u fsp fspd
22 t ssh
23 t telnet
25 t smtp mail
37 tu time timserver
43 t whois nicname
49 tu tacacs
53 tu domain
67 u bootps
68 u bootpc
69 u tftp
70 t gopher
79 t finger
80 t http www
88 tu kerberos kerberos5 krb5 kerberos-sec
110 t pop3 pop-3
111 tu sunrpc portmapper
113 t auth authentication tap ident
119 t nntp readnews untp
123 u ntp
135 t epmap loc-srv
137 u netbios-ns
138 u netbios-dgm
139 t netbios-ssn
143 t imap2 imap
161 tu snmp
162 tu snmp-trap snmptrap
174 t mailq
177 u xdmcp
179 t bgp
199 t smux
210 t wais
213 u ipx
319 u ptp-event
320 u ptp-general
345 t pawserv
369 tu rpc2portmap
371 u clearcase Clearcase
389 tu ldap
427 tu svrloc
443 tu https
444 t snpp
445 t microsoft-ds
464 tu kpasswd
465 t submissions ssmtp smtps urd
487 t saft
500 u isakmp
554 tu rtsp
607 t nqs
623 u asf-rmcp
628 t qmqp
631 t ipp
646 tu ldp
512 t exec
512 u biff comsat
513 t login
513 u who whod
514 t shell cmd
514 tu syslog
515 t printer spooler
517 u talk
518 u ntalk
520 u route router routed
540 t uucp uucpd
543 t klogin
544 t kshell krcmd
546 u dhcpv6-client
547 u dhcpv6-server
548 t afpovertcp
563 t nntps snntp
587 t submission
636 tu ldaps
655 tu tinc
706 t silc
749 t kerberos-adm
853 tu domain-s
873 t rsync
989 t ftps-data
990 t ftps
992 t telnets
993 t imaps
995 t pop3s
1080 t socks
1093 t proofd
1094 t rootd
1194 tu openvpn
1099 t rmiregistry
1352 t lotusnote lotusnotes
1433 t ms-sql-s
1434 u ms-sql-m
1524 t ingreslock
1645 tu old-radius
1646 tu old-radacct
1649 t kermit
1677 t groupwise
1701 u l2f l2tp
1812 tu radius
1813 tu radius-acct radacct
2000 t cisco-sccp
2049 tu nfs
2086 tu gnunet
2401 t cvspserver
2583 tu mon
2628 t dict
3130 u icp
3205 tu isns
3260 t iscsi-target
3306 t mysql
3389 t ms-wbt-server
3493 tu nut
3690 t svn subversion
4094 t sysrqd
4190 t sieve
4369 t epmd
4460 t ntske
4500 u ipsec-nat-t
4569 u iax
5060 tu sip
5061 tu sip-tls
5222 t xmpp-client jabber-client
5269 t xmpp-server jabber-server
5308 t cfengine
5353 u mdns
5432 t postgresql postgres
5556 t freeciv rptp
5671 t amqps
5672 st amqp
6000 t x11 x11-0
6001 t x11-1
6002 t x11-2
6003 t x11-3
6004 t x11-4
6005 t x11-5
6006 t x11-6
6007 t x11-7
6379 t redis
6446 t mysql-proxy
6696 u babel
7000 t bbs
7100 t xfs
8080 t http-alt webcache
8140 t puppet
10809 t nbd
11371 t hkp
17500 t db-lsp
22273 t wnn6
750 tu kerberos4 kerberos-iv kdc
751 tu kerberos-master
751 u kerberos_master
752 u passwd-server passwd_server
754 t krb_prop krb5_prop hprop
2121 t iprop
871 t supfilesrv
1127 t supfiledbg
106 t poppassd
783 t spamd
2600 t zebrasrv
2601 t zebra
4949 t munin lrrd
5667 t nsca
6514 t syslog-tls
6667 t ircd
9418 t git
10000 t webmin
`

// servicePort is the port of a service; proto is "tcp", "udp" or "sctp", or
// empty for any.
func servicePort(name, proto string) (uint16, bool) {
	if name == "" {
		return 0, false
	}
	for line := range strings.Lines(serviceNames) {
		fields := strings.Fields(line)
		if len(fields) < 3 || proto != "" && !strings.Contains(fields[1], proto[:1]) {
			continue
		}
		for _, n := range fields[2:] {
			if n == name {
				port, _ := wholeNumber(fields[0], 0, 65535)
				return uint16(port), true
			}
		}
	}
	return 0, false
}
