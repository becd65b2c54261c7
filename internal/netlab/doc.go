// Package netlab plays a small network on one machine: hosts, containers and LAN neighbours are network namespaces,
// LANs are bridges in namespaces of their own, and probes say what became of a packet. It needs Linux with user
// namespaces, no privileges and no other program.
//
//	func TestMain(m *testing.M) { netlab.Main(m) }
//
//	func TestReach(t *testing.T) {
//		lab := netlab.New(t)
//		lan, web, phone := lab.LAN("lan"), lab.Namespace("web"), lab.Namespace("phone")
//		lan.Plug(web, "eth0", "192.0.2.1/24", "2001:db8::1/64")
//		lan.Plug(phone, "eth0", "192.0.2.2/24", "2001:db8::2/64")
//		web.Listen("tcp", ":80")
//		if got := phone.Probe("tcp", "192.0.2.1:80"); got.Outcome != netlab.Delivered {
//			t.Error(got)
//		}
//	}
//
// Steps that build the lab return no errors. In a test (New) a failing step ends the test. In a program (Open) the
// first failure sticks: later steps do nothing and Err and Close report it.
//
// Every namespace starts from the kernel's own defaults, whatever the machine's sysctls say, except that IPv6 addresses
// are usable at once (no duplicate address detection), router advertisements are ignored, and ICMP errors are not
// rate limited, so that many refusals at once are all heard.
//
// Out of scope: firewalls of any kind, and the machine's own namespace, which Main and Enter leave before anything
// else happens.
package netlab
