// Seawallctl runs a host's firewall from a shell, with the habits of docker, ip
// and nft. It keeps no state of its own: everything is read from the kernel.
//
//	main.go       arguments and exit codes
//	command.go    what a command is, its flags and its help
//	session.go    what all commands share: the namespace, the firewall, the output
//	apply.go ...  a file for each command
//	document/     the file that apply reads
//	plan/         what apply has to do
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"github.com/seawall-net/seawall/examples/seawallctl/document"
)

// Exit codes.
const (
	done    = 0
	failed  = 1
	badText = 2 // bad usage, or a bad document
)

func main() {
	// A network namespace is a thread's: --netns enters it with this one.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs a command and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdin, stdout, stderr)
	var usage *usageError
	var bad *document.Error
	switch {
	case err == nil:
		return done
	case errors.Is(err, errNo):
		return failed // an answer, and no error
	case errors.As(err, &bad):
		fmt.Fprintln(stderr, "seawallctl:", bad) // without what the library says around it
		return badText
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "seawallctl: %v\nsee seawallctl %s\n", err, usage.see)
		return badText
	}
	fmt.Fprintln(stderr, "seawallctl:", explain(err))
	return failed
}

// dispatch finds the command and reads its flags.
func dispatch(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	global := newCommand("", "", "")
	args, rest := cut(args)
	if err := global.flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return printOverview(stdout)
		}
		return &usageError{err.Error(), "--help"}
	}
	if global.flags.NArg() == 0 {
		return &usageError{"there is no command", "--help"}
	}
	name := global.flags.Arg(0)
	all := commands()
	i := slices.IndexFunc(all, func(c *command) bool { return c.name == name })
	switch {
	case name == "help":
		return printOverview(stdout)
	case i < 0:
		return &usageError{fmt.Sprintf("there is no command %q", name), "--help"}
	}
	c := all[i]
	c.netns, c.json = global.netns, global.json
	words, err := c.parse(global.flags.Args()[1:])
	if errors.Is(err, flag.ErrHelp) {
		return c.printHelp(stdout)
	}
	if err != nil {
		return &usageError{err.Error(), name + " --help"}
	}
	s := &session{command: c, args: words, rest: rest, stdin: stdin, stdout: stdout, stderr: stderr}
	if err := s.enter(); err != nil {
		return err
	}
	return c.run(ctx, s)
}
