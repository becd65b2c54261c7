package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// part names what a copy of the test program plays instead of running tests.
const part = "NETLAB_TEST_PART"

func TestMain(m *testing.M) {
	if name := os.Getenv(part); name != "" {
		if err := play(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	Main(m)
}

func play(name string) error {
	if err := Enter(); err != nil {
		return err
	}
	if err := Enter(); err != nil { // once is enough
		return fmt.Errorf("second Enter: %w", err)
	}
	switch name {
	case "echo":
		input, err := io.ReadAll(os.Stdin)
		namespace, err2 := os.Readlink("/proc/self/ns/net")
		fmt.Printf("%s %d %q %s", input, os.Geteuid(), os.Args[1:], namespace)
		fmt.Fprint(os.Stderr, "err")
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		os.Exit(42)
	case "signal":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, unix.SIGTERM)
		fmt.Println("ready")
		fmt.Println(<-signals)
		signal.Reset()
		if err := unix.Kill(os.Getpid(), unix.SIGTERM); err != nil {
			return err
		}
		select {} // another thread may take the signal
	case "lab":
		return playLab()
	case "read-only":
		return playReadOnly()
	}
	return nil
}

// playLab is what examples do.
func playLab() error {
	lab, err := Open()
	if err != nil {
		return err
	}
	lan, web, phone := lab.LAN("lan"), lab.Namespace("web"), lab.Namespace("phone")
	lan.Plug(web, "eth0", "192.0.2.1/24", "2001:db8::1/64")
	lan.Plug(phone, "eth0", "192.0.2.2/24", "2001:db8::2/64")
	web.SetSysctl("net.ipv4.ip_forward", "1")
	for _, proto := range []string{"tcp", "udp", "sctp"} {
		web.Listen(proto, ":80")
		fmt.Println(proto, phone.Probe(proto, "192.0.2.1:80").Outcome, phone.Probe(proto, "[2001:db8::1]:80").Outcome)
	}
	return lab.Close()
}

// playReadOnly makes /proc/sys read-only, as container runtimes do.
func playReadOnly() error {
	const tree = "/proc/sys"
	if err := unix.Mount(tree, tree, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := unix.Mount("", tree, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := writeSysctl("net.ipv4.ip_forward", "1"); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("read-only write: %v", err)
	}
	if err := settle(); err != nil {
		return err
	}
	return writeSysctl("net.ipv4.ip_forward", "1")
}

// copyOf returns a command that plays a part as root of this namespace, or, where there is more than one user, as an
// ordinary one.
func copyOf(name string, ordinary bool) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", "one", "two words")
	cmd.Env = append(os.Environ(), part+"="+name)
	if ordinary {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return cmd
}

// users returns who can try to Enter from here: where this test itself was started by an ordinary user, only root of its
// private user namespace is left, and the ordinary user's turn has been before TestMain.
func users(t *testing.T) []bool {
	t.Helper()
	ids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	if fields := strings.Fields(string(ids)); len(fields) == 3 && fields[2] == "1" {
		return []bool{false}
	}
	return []bool{false, true}
}

func TestEnterPassesEverythingThrough(t *testing.T) {
	t.Parallel()
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, ordinary := range users(t) {
		cmd := copyOf("echo", ordinary)
		// What a stray variable says must not keep it from entering.
		cmd.Env = append(cmd.Env, mark+"="+fmt.Sprint(os.Getpid())+" "+here)
		cmd.Stdin = strings.NewReader("in")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 42 || stderr.String() != "err" {
			t.Errorf("ordinary %v: %v, stderr %q", ordinary, err, &stderr)
		}
		if !strings.HasPrefix(stdout.String(), `in 0 ["one" "two words"] net:[`) || strings.Contains(stdout.String(), here) {
			t.Errorf("ordinary %v: stdout %q (here is %s)", ordinary, &stdout, here)
		}
	}
}

func TestEnterPassesSignalsThrough(t *testing.T) {
	t.Parallel()
	for _, ordinary := range users(t) {
		cmd := copyOf("signal", ordinary)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, len("ready\n"))
		if _, err := io.ReadFull(out, line); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(out)
		if err != nil || string(rest) != "terminated\n" {
			t.Errorf("the copy said %q, %v", rest, err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGTERM {
			t.Errorf("ended with %v", err)
		}
	}
}

func TestLabInAProgram(t *testing.T) {
	t.Parallel()
	for _, ordinary := range users(t) {
		out, err := copyOf("lab", ordinary).CombinedOutput()
		want := "tcp delivered delivered\nudp delivered delivered\nsctp delivered delivered\n"
		if err != nil || string(out) != want {
			t.Errorf("ordinary %v: %v\n%s", ordinary, err, out)
		}
	}
}

func TestEnterMakesSysctlsWritable(t *testing.T) {
	t.Parallel()
	for _, ordinary := range users(t) {
		if out, err := copyOf("read-only", ordinary).CombinedOutput(); err != nil {
			t.Errorf("ordinary %v: %v\n%s", ordinary, err, out)
		}
	}
}

func TestObstaclesAreNamed(t *testing.T) {
	for key, value := range map[string]string{
		"kernel/unprivileged_userns_clone": "0", "kernel/apparmor_restrict_unprivileged_userns": "1",
		"user/max_user_namespaces": "0", "user/max_net_namespaces": "0", "user/max_mnt_namespaces": "0",
	} {
		proc := t.TempDir()
		file := filepath.Join(proc, "sys", key)
		for _, dir := range []string{filepath.Dir(file), filepath.Join(proc, "self/ns/user")} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		name := strings.ReplaceAll(key, "/", ".")
		if got := obstacles(proc); !strings.Contains(got, "sysctl -w "+name+"=") || strings.Contains(got, "seccomp") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := obstacles(t.TempDir()); !strings.Contains(got, "CONFIG_USER_NS") {
		t.Errorf("no user namespaces: %q", got)
	}
	if got := obstacles("/proc"); !strings.Contains(got, "seccomp") {
		t.Errorf("nothing is wrong here, but: %q", got)
	}
}
