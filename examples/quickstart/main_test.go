package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// program makes a copy of the test program the quickstart itself.
const program = "QUICKSTART_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(program) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func command(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), program+"=1")
	return cmd
}

// output runs the quickstart and returns what it prints, and its exit code.
func output(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestText(t *testing.T) {
	t.Parallel()
	text, stderr, code := output(t)
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	rest := text
	for _, want := range []string{ // in this order
		"│  ├─ shop    172.18.0.2      fd00:18::2      publishes 8080:80\n",
		"  laptop   ✓ 192.0.2.2     silent          silent          silent          refused\n" +
			"           ✓ 2001:db8:1::2 silent          silent          silent          refused\n",
		"  orders   ✓ 172.18.0.1    silent          silent                          refused\n",
		"  ip saddr 192.0.2.2 tcp dport 80 counter packets ",
		"  ip6 saddr 2001:db8:1::2 tcp dport 80 counter packets ",
		"  laptop   silent          silent          silent          silent          refused\n" +
			"           silent          silent          silent          silent          refused\n" +
			"  all others as before\n",
		"  laptop   ✓ 192.0.2.2     silent ", "           ✓ 2001:db8:1::2 silent ", "  all others as before\n",
		"  table ip seawall {\n", "      elements = { tcp . 8080 counter : 172.18.0.2 . 80 }\n",
		"    chain DOCKER-USER {\n      ip saddr 192.0.2.2 tcp dport 80 counter drop comment \"quickstart\"\n    }\n",
		"  open ", "  publish 8080:80 ", "  teardown ", " Nothing is left.\n",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("not there, or not in its place: %q in\n%s", want, text)
		}
		rest = after
	}
	if rest != "" || strings.Contains(text, "\x1b") {
		t.Errorf("more than text, or text behind the end: %q", text)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	r := runJSON(t)
	if len(r.Networks) != 2 || len(r.Containers) != 3 || len(r.LeftBehind) != 0 {
		t.Errorf("networks %v, containers %v, left behind %q", r.Networks, r.Containers, r.LeftBehind)
	}
	if len(r.Phases) != 3 {
		t.Fatalf("%d phases", len(r.Phases))
	}
	for i, name := range []string{"before", "with_rule", "after"} {
		p := r.Phases[i]
		if p.Name != name || len(p.Probes) != 2*(5*5-3) {
			t.Errorf("phase %s: %d probes in %q", name, len(p.Probes), p.Name)
		}
		for _, got := range p.Probes {
			outcome, server, source := expected(name, got.From, got.To, got.Family)
			seen := ""
			if got.Source.IsValid() {
				seen = got.Source.String()
			}
			if got.Outcome != outcome || got.Server != server || seen != source {
				t.Errorf("%s: %+v\nwant %s %s %s", name, got, outcome, server, source)
			}
		}
	}
	for family, saddr := range map[string]string{"ip": "ip saddr 192.0.2.2", "ip6": "ip6 saddr 2001:db8:1::2"} {
		if !strings.HasPrefix(r.UserRules[family], saddr+" tcp dport 80 counter packets ") {
			t.Errorf("%s: user rule %q", family, r.UserRules[family])
		}
		if text := r.Ruleset[family]; !strings.HasPrefix(text, "table "+family+" seawall {\n") ||
			strings.Count(text, "\n}\n") != 1 || !strings.Contains(text, "\t\t"+saddr+" tcp dport 80 counter drop ") {
			t.Errorf("%s: ruleset\n%s", family, text)
		}
	}
	checkTransactions(t, r.Transactions)
	checkColours(t, r)
}

// expected is what becomes of a probe, who answers, and whom it saw.
func expected(phase, from, to, family string) (outcome, server, source string) {
	network := map[string]string{"shop": "web", "cart": "web", "orders": "db"}
	gateway := map[string]string{"webipv4": "172.18.0.1", "webipv6": "fd00:18::1", "dbipv4": "172.19.0.1", "dbipv6": "fd00:19::1"}
	own := map[string]string{
		"laptopipv4": "192.0.2.2", "shopipv4": "172.18.0.2", "cartipv4": "172.18.0.3",
		"laptopipv6": "2001:db8:1::2", "shopipv6": "fd00:18::2", "cartipv6": "fd00:18::3",
	}
	name, _, _ := strings.Cut(to, ":")
	switch {
	case to == "host:9000":
		return "refused", "", ""
	case to == "host:8080" && from == "laptop" && phase == "with_rule":
		return "silent", "", ""
	case to == "host:8080" && from == "laptop":
		return "delivered", "shop", own[from+family]
	case to == "host:8080":
		return "delivered", "shop", gateway["web"+family]
	case from == "host":
		return "delivered", name, gateway[network[name]+family]
	case network[from] == network[name]:
		return "delivered", name, own[from+family]
	}
	return "silent", "", ""
}

func checkTransactions(t *testing.T, got []transaction) {
	t.Helper()
	steps := []string{
		"open", "create two networks", "attach three containers", "publish 8080:80",
		"add a DOCKER-USER rule", "delete the DOCKER-USER rule", "teardown",
	}
	if len(got) != len(steps) {
		t.Fatalf("transactions %+v", got)
	}
	for i, tr := range got {
		if tr.Step != steps[i] || tr.Objects == 0 || tr.Messages == 0 || tr.Bytes == 0 || tr.Duration <= 0 ||
			tr.Generation != got[0].Generation+uint32(i) {
			t.Errorf("transaction %d: %+v", i, tr)
		}
	}
}

// checkColours checks that colours change nothing else.
func checkColours(t *testing.T, r *report) {
	t.Helper()
	show := func(colour bool) string {
		var text strings.Builder
		s := &screen{bufio.NewWriter(&text), colour}
		s.welcome()
		s.world(r)
		s.before(r)
		s.withRule(r)
		s.after(r)
		s.end(r)
		return text.String()
	}
	plain, coloured := show(false), show(true)
	if strings.Contains(plain, "\x1b") || !strings.Contains(coloured, "\x1b[32m✓ 192.0.2.2 ") {
		t.Errorf("plain:\n%s\ncoloured:\n%s", plain, coloured)
	}
	if bare := regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(coloured, ""); trimLines(bare) != trimLines(plain) {
		t.Errorf("plain:\n%s\nwithout its colours:\n%s", plain, bare)
	}
}

func trimLines(text string) string { return regexp.MustCompile(" +\n").ReplaceAllString(text, "\n") }

func runJSON(t *testing.T) *report {
	t.Helper()
	text, stderr, code := output(t, "-json")
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var r report
	if err := decoder.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		t.Errorf("something behind the document: %v", err)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		t.Fatal(err)
	}
	for key := range keys {
		if !regexp.MustCompile(`\b` + key + `\b`).MatchString(usage) {
			t.Errorf("the usage does not name %q", key)
		}
	}
	return &r
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		arg            string
		stdout, stderr string
		code           int
	}{
		{"-h", usage, "", 0},
		{"--help", usage, "", 0},
		{"-xml", "", "flag provided but not defined: -xml\n" + usage, 2},
		{"now", "", "quickstart: unexpected argument \"now\"\n" + usage, 2},
	} {
		stdout, stderr, code := output(t, test.arg)
		if stdout != test.stdout || stderr != test.stderr || code != test.code {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", test.arg, code, stdout, stderr)
		}
	}
}

func TestOutputCannotBeWritten(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	cmds := []*exec.Cmd{command(), command("-json")}
	for _, cmd := range cmds {
		cmd.Stdout, cmd.Stderr = full, new(bytes.Buffer)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, cmd := range cmds {
		_ = cmd.Wait()
		stderr := cmd.Stderr.(*bytes.Buffer).String()
		if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr, "no space left on device") {
			t.Errorf("%q: %v, stderr %q", cmd.Args, cmd.ProcessState, stderr)
		}
	}
}

// An interrupt ends the program at once. Namespaces end with the last process in them, so none may remain.
func TestInterruptLeavesNothing(t *testing.T) {
	t.Parallel()
	cmd := command()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	for line := ""; !strings.HasPrefix(line, "BEFORE"); { // the world is there, and rules in force
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(lines); err != nil || strings.Contains(string(rest), "TORN DOWN") {
		t.Errorf("it went on: %v\n%s", err, rest)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != os.Interrupt {
		t.Errorf("it ended otherwise: %v", cmd.ProcessState)
	}
	if err := syscall.Kill(-cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("processes remain: %v", err)
	}
}
