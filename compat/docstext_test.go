package compat

// What docs_test.go writes as it stands here.

const docsLayouts = `<!-- Written by ` + "`go test ./compat -run TestDocs -update`" + `. Do not edit. -->

# Compatibility with Docker's iptables rules

Package ` + "`compat`" + ` has layouts that show what iptables users know from Docker, and reads and writes rules of DOCKER-USER in
iptables' syntax. It runs no iptables: everything goes to nf_tables by netlink, in the form that iptables-nft 1.8.9 uses.

## Layouts

` + "`compat.LayoutNamed`" + ` makes one by its name, for ` + "`bridge.Config.Layout`" + `.

| Layout | Docker | Chains in table filter | IPv6 |
| --- | --- | --- | --- |
| ` + "`native`" + ` | | none of iptables: tables and maps of our own | yes |
| ` + "`hybrid`" + ` | | DOCKER-USER, DOCKER-FORWARD: fixed lines; everything else as in native | yes |
| ` + "`docker-28`" + ` | 28, and 29 with its iptables backend | DOCKER-USER, DOCKER-FORWARD, DOCKER-BRIDGE, DOCKER-CT, DOCKER-INTERNAL, DOCKER | yes |
| ` + "`docker-18.05`" + ` | 18.05 to 27 | DOCKER-USER (IPv4), DOCKER-ISOLATION-STAGE-1, DOCKER-ISOLATION-STAGE-2, DOCKER | as 20.10 |
| ` + "`docker-17.06`" + ` | 17.06 to 18.03 | DOCKER-USER, DOCKER-ISOLATION, DOCKER | no |
| ` + "`docker-1.10`" + ` | 1.10 to 17.05 | DOCKER-ISOLATION, with two drops for each two networks; DOCKER | no |
| ` + "`docker-1.9`" + ` | before 1.10 | DOCKER; two drops for each two networks in FORWARD | no |

Layouts of Docker's versions have DOCKER in table nat, too, and docker-28 its drops in table raw. Beside them stand tables of
our own, which iptables does not list: they keep the records, and what a neighbour could otherwise reach.

What a version of Docker had no option for is refused when it is asked for, with the version that brought it:

| What | Since Docker |
| --- | --- |
| internal networks | 1.10 |
| SCTP | 18.03 |
| IPv6, a fixed source address, a bridge without the gateway's address | 20.10 |
| a fixed source address for IPv6 | 25.0 |
| gateway mode routed | 27.0, in layout docker-28 |
| WSL 2 with mirrored networking | 27.3 |
| gateway modes nat-unprotected and isolated, networks without IPv4 | 28.0 |
| direct routing by an option, trusted interfaces | 28.2 |
| accepting a mark | 29.0 |
| keeping containers from the host, random source ports, ports for some sources only | none: layout native |
`

const docsRules = `
## Rules

Rules of user chains are read as iptables reads them: negation, lists and masks of addresses, wildcards of interfaces, names of
protocols and services, shortened options, quotes. What is not understood, or what iptables or the kernel would refuse in a
chain that FORWARD leads to, is refused with the number of the word and the reason; nothing is skipped. Names of services and
protocols are those of Debian 12, whatever the host has; names of users are not known.

Options of every rule:
`

const docsModules = `
In iptables' own tables (` + "`ip filter`" + ` and so on) a rule is programmed exactly as by iptables-nft 1.8.9, so that its tools list,
check, save and delete it. In the native layout, *native* means statements of nf_tables, and *xt* the same module of the kernel
that iptables uses (` + "`xt_…`" + `): nf_tables has nothing of exactly the same meaning, or not in every kernel. *Needs* is what ` + "`-p`" + `
must say, and *where* the tables and hooks that the kernel has the module in; user chains are in table filter, hook forward.
`

const docsElsewhere = `
## Refused in user chains

The kernel has these in other tables or hooks only. They are refused with that reason.

| | Families | Where |
| --- | --- | --- |
`
