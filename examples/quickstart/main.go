// Quickstart shows Seawall's main job on this machine's kernel, with real packets: two networks, three containers, a
// published port and a DOCKER-USER rule. Everything happens in private namespaces, so it needs no privileges, leaves
// the machine's own firewall alone, and is gone when the program ends, however it ends.
//
//	main.go    flags and exit codes
//	tour.go    what a program does with Seawall: start reading here
//	world.go   the machines: host, containers and laptop as network namespaces, and HTTP between them
//	report.go  what was found out, also as JSON
//	screen.go  how it looks on a terminal
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/seawall-net/seawall/internal/netlab"
)

const usage = `usage: quickstart [-json]

Two container networks, a published port and a DOCKER-USER rule, in private
namespaces: no privileges, nothing to install, nothing left behind. Takes a few
seconds, because silence has to be waited for.

  -json  print one JSON document, with the keys laptop, host, networks,
         containers, user_rules, phases, transactions, ruleset and left_behind
`

func main() {
	flags := flag.NewFlagSet("quickstart", flag.ExitOnError)
	asJSON := flags.Bool("json", false, "")
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage) }
	if len(os.Args) == 2 && (os.Args[1] == "-h" || os.Args[1] == "-help" || os.Args[1] == "--help") {
		flags.SetOutput(os.Stdout) // asked for, so no error
	}
	_ = flags.Parse(os.Args[1:]) // exits on error
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "quickstart: unexpected argument %q\n%s", flags.Arg(0), usage)
		os.Exit(2)
	}
	// From here on the program is root in a network namespace of its own.
	err := netlab.Enter()
	if err == nil {
		err = run(context.Background(), os.Stdout, *asJSON)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run takes the tour and writes about it: as it goes, or as JSON at its end.
func run(ctx context.Context, stdout *os.File, asJSON bool) error {
	if !asJSON {
		out := &screen{Writer: bufio.NewWriter(stdout), colour: isTerminal(stdout) && os.Getenv("NO_COLOR") == ""}
		if _, err := tour(ctx, out); err != nil {
			_ = out.Flush()
			return err
		}
		return out.Flush()
	}
	r, err := tour(ctx, &screen{Writer: bufio.NewWriter(io.Discard)})
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
