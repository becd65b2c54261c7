package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

var binary = flag.String("binary", "", "test a `program` that was built, rather than its code in the test program")

// asProgram makes the test program the program itself.
const asProgram = "SEAWALLCTL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	netlab.Main(m)
}

// A lab is a host on which the program runs, and a neighbour on its LAN.
type lab struct {
	*netlab.Lab
	t         *testing.T
	host, ext *netlab.Namespace
	conn      *nft.Conn
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{Lab: netlab.New(t), t: t}
	l.host, l.ext = l.Namespace("host"), l.Namespace("ext")
	lan := l.LAN("lan")
	lan.Plug(l.host, "eth0", "192.0.2.1/24", "2001:db8:1::1/64")
	lan.Plug(l.ext, "eth0", "192.0.2.2/24", "2001:db8:1::2/64")
	conn, err := nft.Dial(nft.Config{NetNS: l.host.File()})
	if err != nil {
		t.Fatal(err)
	}
	l.conn = conn
	t.Cleanup(func() { _ = conn.Close() })
	return l
}

// path is a namespace's for other programs.
func path(ns *netlab.Namespace) string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.File().Fd())
}

// command is the program with arguments; it acts on the host.
func (l *lab) command(args ...string) *exec.Cmd {
	l.t.Helper()
	program := *binary
	if program == "" {
		var err error
		if program, err = os.Executable(); err != nil {
			l.t.Fatal(err)
		}
	}
	c := exec.Command(program, append([]string{"--netns", path(l.host)}, args...)...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// A result is what came of a call.
type result struct {
	code           int
	stdout, stderr string
}

// try calls the program.
func (l *lab) try(stdin string, args ...string) result {
	l.t.Helper()
	c := l.command(args...)
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := c.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		l.t.Fatal(err)
	}
	return result{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// run calls the program, which has to succeed, and returns what it printed.
func (l *lab) run(args ...string) string {
	l.t.Helper()
	return l.runWith("", args...)
}

func (l *lab) runWith(stdin string, args ...string) string {
	l.t.Helper()
	r := l.try(stdin, args...)
	if r.code != 0 || r.stderr != "" {
		l.t.Fatalf("%q: exit status %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// refused calls the program, which has to end with an exit status and an error, and change nothing.
func (l *lab) refused(code int, want, stdin string, args ...string) {
	l.t.Helper()
	before := l.generation()
	r := l.try(stdin, args...)
	if r.code != code || !strings.Contains(r.stderr, want) {
		l.t.Errorf("%q: exit status %d, want %d: %s\nwant %s", args, r.code, code, r.stderr, want)
	}
	if after := l.generation(); after != before {
		l.t.Errorf("%q: generation %d, was %d", args, after, before)
	}
}

func (l *lab) generation() uint32 {
	l.t.Helper()
	g, err := l.conn.Generation(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	return g
}

// ruleset is all that nf_tables has.
func (l *lab) ruleset() *nft.Ruleset {
	l.t.Helper()
	rs, err := l.conn.Load(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	return rs
}

// reach probes and compares: "delivered to c1", "silent".
func (l *lab) reach(when string, from *netlab.Namespace, proto, to, want string) {
	l.t.Helper()
	r := from.Probe(proto, to)
	got := r.Outcome.String()
	if r.Outcome == netlab.Delivered {
		got += " to " + r.Server
	}
	if got != want {
		l.t.Errorf("%s: %s from %s to %s: %s, want %s", when, proto, from, to, got, want)
	}
}

// listing is what ls --json prints.
func (l *lab) listing() map[string]any {
	l.t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(l.run("ls", "--json")), &out); err != nil {
		l.t.Fatal(err)
	}
	return out
}
