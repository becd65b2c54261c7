package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// mark tells the copy of the program that Enter starts which process started it, and in which network namespace that
// one was. Both must fit, so a stray value of the variable is never believed, and a program started by the copy gets a
// namespace of its own.
const mark = "NETLAB_ENTERED_FROM"

// Main is for TestMain: it runs the tests inside private namespaces, as Enter makes them, and exits. When these cannot
// be made, it says what is missing and exits with failure.
func Main(m *testing.M) {
	if err := Enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Enter returns nil once the program runs in a network and mount namespace of its own, in which it is root. To get
// there it runs the program once more, with the same arguments, environment and standard files; signals are passed on
// and this process ends as the copy ends. So call it first thing in main: what precedes it happens twice.
//
// Without privileges the namespaces belong to a new user namespace, in which only the current user exists, as root.
// The error says what is missing, and is fs.ErrPermission where the system forbids it.
func Enter() error {
	if entered() {
		if err := settle(); err != nil {
			return fmt.Errorf("netlab: prepare the private namespaces: %w%s", err, obstacles("/proc"))
		}
		return nil
	}
	err := errors.ErrUnsupported
	if os.Geteuid() == 0 {
		err = reexec(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS})
	}
	if err != nil { // not root, or root in a container that may not create namespaces directly
		err = reexec(&syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		})
	}
	return fmt.Errorf("netlab: create private user, network and mount namespaces: %w%s", err, obstacles("/proc"))
}

func entered() bool {
	parent, namespace, ok := strings.Cut(os.Getenv(mark), " ")
	if !ok || parent != strconv.Itoa(os.Getppid()) {
		return false
	}
	current, err := os.Readlink("/proc/self/ns/net")
	return err == nil && current != namespace
}

// reexec runs the program again with attr and exits with it; it returns only if the program could not be started.
func reexec(attr *syscall.SysProcAttr) error {
	namespace, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the kernel ends the child when the thread that started it ends
	attr.Pdeathsig = unix.SIGKILL
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: os.Args, SysProcAttr: attr,
		Env:   append(os.Environ(), fmt.Sprintf("%s=%d %s", mark, os.Getpid(), namespace)),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	if err := cmd.Start(); err != nil {
		signal.Stop(signals)
		runtime.UnlockOSThread()
		return err
	}
	go func() {
		for s := range signals {
			if !ignored(s) {
				_ = cmd.Process.Signal(s)
			}
		}
	}()
	err = cmd.Wait()
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "netlab: wait for the program:", err)
		os.Exit(1)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		signal.Reset(status.Signal())
		_ = unix.Kill(os.Getpid(), status.Signal())
		time.Sleep(time.Second) // another thread may take the signal
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(status.ExitStatus())
	return nil
}

// ignored reports signals that are this process's own business or that the child has received itself: a terminal
// sends its interrupts to the whole foreground process group.
func ignored(s os.Signal) bool {
	switch s {
	case unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE:
		return true
	case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGCONT, unix.SIGWINCH, unix.SIGTTIN, unix.SIGTTOU:
		tty, err := os.Open("/dev/tty")
		if err != nil {
			return false
		}
		defer tty.Close()
		group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
		return err == nil && group == unix.Getpgrp()
	}
	return false
}

// settle makes the new namespaces usable: mounts stay private, /proc/sys/net can be written, loopback is up, and
// namespaces can be made.
func settle() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := writableSysctls(); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("bring up lo: %w", err)
	}
	return nil
}

// writableSysctls undoes the read-only bind mount that container runtimes put on /proc/sys. What is below
// /proc/sys/net is the namespace's own, and so are the permissions there.
func writableSysctls() error {
	const probe, tree = "/proc/sys/net/ipv4/ip_forward", "/proc/sys"
	try := func() error {
		file, err := os.OpenFile(probe, os.O_WRONLY, 0)
		if err == nil {
			err = file.Close()
		}
		return err
	}

	err := try()
	if !errors.Is(err, unix.EROFS) {
		return err
	}
	if remount := unix.Mount("", tree, "", unix.MS_REMOUNT|unix.MS_BIND, ""); remount == nil {
		return try()
	}
	if fresh := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); fresh == nil {
		return try()
	}
	return fmt.Errorf("%w: this container mounts %s read-only and does not let it be remounted; "+
		"run it with a writable %s (for Docker: --security-opt systempaths=unconfined)", err, tree, tree)
}

// obstacles names the settings of this system that are known to forbid what Enter does.
func obstacles(proc string) string {
	var found strings.Builder
	for _, s := range []struct{ key, bad, want string }{
		{"kernel/unprivileged_userns_clone", "0", "1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "0"},
		{"user/max_user_namespaces", "0", "15000"},
		{"user/max_net_namespaces", "0", "15000"},
		{"user/max_mnt_namespaces", "0", "15000"},
	} {
		value, err := os.ReadFile(proc + "/sys/" + s.key)
		if err == nil && strings.TrimSpace(string(value)) == s.bad {
			key := strings.ReplaceAll(s.key, "/", ".")
			fmt.Fprintf(&found, "\n\t%s is %s: as root, run: sysctl -w %s=%s", key, s.bad, key, s.want)
		}
	}
	if _, err := os.Stat(proc + "/self/ns/user"); err != nil {
		found.WriteString("\n\tthis kernel has no user namespaces (CONFIG_USER_NS)")
	}
	if found.Len() == 0 {
		found.WriteString("\n\tno sysctl forbids it: a seccomp profile or security module of a container may " +
			"(for Docker: --privileged, or --security-opt seccomp=unconfined --security-opt apparmor=unconfined)")
	}
	return found.String()
}
