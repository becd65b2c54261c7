package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// commands are all that there are, in the order of the help.
func commands() []*command {
	return []*command{
		applyCommand(), downCommand(), lsCommand(), showCommand(),
		attachCommand(), detachCommand(), publishCommand(), unpublishCommand(), userCommand(),
		watchCommand(), doctorCommand(), rebuildCommand(), completionCommand(),
	}
}

// A command is what the first word says.
type command struct {
	name, synopsis, summary string
	// examples are lines for the help.
	examples []string
	// words are what a shell proposes behind the command.
	words []string
	flags *flag.FlagSet
	run   func(context.Context, *session) error

	// Each command has these flags.
	netns string
	json  bool
}

func newCommand(name, synopsis, summary string, examples ...string) *command {
	c := &command{name: name, synopsis: synopsis, summary: summary, examples: examples}
	c.flags = flag.NewFlagSet(name, flag.ContinueOnError)
	c.flags.SetOutput(io.Discard)
	c.flags.StringVar(&c.netns, "netns", "", "act in another network namespace: `NAME` of ip netns, or a path")
	c.flags.BoolVar(&c.json, "json", false, "print JSON")
	return c
}

// parse reads flags wherever they stand, and returns the other words.
func (c *command) parse(args []string) (words []string, err error) {
	netns, json := c.netns, c.json // those before the command
	for {
		if err := c.flags.Parse(args); err != nil {
			return nil, err
		}
		if c.flags.NArg() == 0 {
			break
		}
		words, args = append(words, c.flags.Arg(0)), c.flags.Args()[1:]
	}
	if c.netns == "" {
		c.netns = netns
	}
	c.json = c.json || json
	return words, nil
}

// cut divides arguments at the first "--". The rest is nil if there is none.
func cut(args []string) (before, rest []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], append([]string{}, args[i+1:]...)
	}
	return args, nil
}

// A usageError says what is wrong with the arguments, and where the right ones
// are described.
type usageError struct{ reason, see string }

func (e *usageError) Error() string { return e.reason }

// usage is an error about the command's arguments.
func (c *command) usage(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...), c.name + " --help"}
}

func printOverview(w io.Writer) error {
	var text strings.Builder
	text.WriteString("usage: seawallctl [--netns NAME|PATH] COMMAND ...\n\nSeawall's firewall on this host, or in another network namespace.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&text, "  %-11s %s\n", c.name, c.summary)
	}
	text.WriteString(`
seawallctl COMMAND --help has examples. Exit status: 0 done, 1 failed, 2 bad usage
or a bad document.
`)
	_, err := io.WriteString(w, text.String())
	return err
}

func (c *command) printHelp(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "usage: seawallctl %s\n\n%s%s.\n\n", c.synopsis, strings.ToUpper(c.summary[:1]), c.summary[1:])
	c.flags.VisitAll(func(f *flag.Flag) {
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		value, what := flag.UnquoteUsage(f)
		fmt.Fprintf(&text, "  %-22s %s\n", strings.TrimSpace(dashes+f.Name+" "+strings.ToUpper(value)), what)
	})
	text.WriteString("\nExamples:\n")
	for _, line := range c.examples {
		fmt.Fprintf(&text, "  %s\n", line)
	}
	_, err := io.WriteString(w, text.String())
	return err
}
