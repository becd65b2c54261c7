package bridge_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netns"
)

// Some tests need other processes: copies of the test program, which inherit its namespaces, and do what childVariable
// says instead of tests. The host's network namespace is their file 3.
const childVariable = "SEAWALL_TEST_CHILD"

// children are what such processes do, by the first word of what they are told.
var children = map[string]func(ns *os.File, args []string) error{
	"ports":  publishForEver,
	"links":  connectForEver,
	"writer": writeAsTold,
}

// beChild does what the process was started for, if it is one of them. It does not return then.
func beChild() {
	words := strings.Fields(os.Getenv(childVariable))
	if len(words) == 0 {
		return
	}
	// Nobody is left to stop it if the test program dies.
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if err == nil {
		err = children[words[0]](os.NewFile(3, "host"), words[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A child is a process that works on a host.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner // what it says
	errs  strings.Builder
}

// startChild starts one. Its files from 4 on are those in more.
func startChild(t testing.TB, ns *os.File, what string, more ...*os.File) *child {
	t.Helper()
	c := &child{cmd: exec.Command("/proc/self/exe")}
	c.cmd.Env = append(os.Environ(), childVariable+"="+what)
	c.cmd.ExtraFiles = append([]*os.File{ns}, more...)
	c.cmd.Stderr = &c.errs
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

// line waits for the next line that the child says.
func (c *child) line(t testing.TB) string {
	t.Helper()
	if !c.lines.Scan() {
		_ = c.cmd.Wait()
		t.Fatalf("the other process has ended: %v: %s", c.cmd.ProcessState, c.errs.String())
	}
	return c.lines.Text()
}

// wait returns what the child has left to say once it ends.
func (c *child) wait(t testing.TB) string {
	t.Helper()
	var last string
	for c.lines.Scan() {
		last = c.lines.Text()
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the other process: %v: %s", err, c.errs.String())
	}
	return last
}

// kill is kill -9.
func (c *child) kill(t testing.TB) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, readerOf(c.lines))
	_ = c.cmd.Wait()
}

// readerOf lets a scanner be read to its end.
func readerOf(s *bufio.Scanner) io.Reader { return scannerReader{s} }

type scannerReader struct{ s *bufio.Scanner }

func (r scannerReader) Read([]byte) (int, error) {
	if r.s.Scan() {
		return 0, nil
	}
	return 0, io.EOF
}

// run runs a program on the host.
func runOn(ns *os.File, name string, args ...string) error {
	out, err := []byte(nil), error(nil)
	derr := netns.Do(ns, func() error {
		out, err = exec.Command(name, args...).CombinedOutput()
		return nil
	})
	if derr != nil {
		return derr
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// openChild is the firewall that a child opens.
func openChild(ns *os.File, cfg bridge.Config) (*bridge.Firewall, error) {
	cfg.NetNS = ns
	return bridge.Open(context.Background(), cfg)
}
