package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/nft"
)

// A session is one call of a command.
type session struct {
	*command
	// args are the words behind the command, and rest those behind "--": nil if
	// there is none.
	args, rest     []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// errNo is for commands that answer a question: no. Nothing is printed about it.
var errNo = errors.New("no")

// errNoFirewall says that there is nothing to work on.
var errNoFirewall = errors.New("there is no firewall on this host: make one by seawallctl apply -f FILE")

// enter moves the thread into the namespace of --netns. It is the program's only
// one that does anything, and stays there.
func (s *session) enter() error {
	if s.netns == "" {
		return nil
	}
	path := s.netns
	if !strings.Contains(path, "/") {
		path = filepath.Join("/run/netns", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("--netns %s: %w", s.netns, err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("--netns %s: enter: %w", s.netns, err)
	}
	return nil
}

// openRepaired opens the firewall, and repairs its rules before if others have
// damaged them. It tells how many objects that took.
func (s *session) openRepaired(ctx context.Context, cfg bridge.Config) (fw *bridge.Firewall, objects int, err error) {
	for range repairAttempts {
		var drift *bridge.DriftError
		if fw, err = bridge.Open(ctx, cfg); !errors.As(err, &drift) {
			return fw, objects, err
		}
		conn, err := nft.Dial(nft.Config{})
		if err != nil {
			return nil, 0, err
		}
		// It is for the ruleset as it was: otherwise the kernel refuses it.
		_, err = conn.Commit(ctx, drift.Repair)
		if err := errors.Join(err, conn.Close()); err != nil && !errors.Is(err, nft.ErrGeneration) {
			return nil, 0, fmt.Errorf("repair the rules: %w", err)
		}
		objects += drift.Repair.Len()
	}
	return nil, 0, err
}

// repairAttempts is how often damage is repaired that others do at the same time.
const repairAttempts = 10

// installed returns what is on the host and how to open it. It fails with
// errNoFirewall.
func (s *session) installed(ctx context.Context) (*bridge.Installation, bridge.Config, error) {
	is, err := bridge.Installed(ctx, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, bridge.Config{}, errNoFirewall
	}
	if err != nil {
		return nil, bridge.Config{}, err
	}
	cfg := is.Config()
	cfg.UnheldPorts = true // a program that ends cannot hold them
	cfg.Layout, err = compat.LayoutNamed(is.Layout)
	return is, cfg, err
}

// look opens the firewall for commands that only read: links are left alone, even
// such as would be repaired.
func (s *session) look(ctx context.Context) (*bridge.Firewall, *bridge.Installation, error) {
	is, cfg, err := s.installed(ctx)
	if err != nil {
		return nil, nil, err
	}
	cfg.RulesOnly = true
	fw, err := bridge.Open(ctx, cfg)
	return fw, is, err
}

// with runs f with the firewall that is on the host.
func (s *session) with(ctx context.Context, f func(*bridge.Firewall) error) error {
	_, cfg, err := s.installed(ctx)
	if err != nil {
		return err
	}
	fw, err := bridge.Open(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(f(fw), fw.Close())
}

// none refuses words behind the command.
func (s *session) none() error {
	if len(s.args) > 0 || s.rest != nil {
		return s.usage("unexpected %q", append(s.args, s.rest...))
	}
	return nil
}

// printJSON prints a value.
func (s *session) printJSON(v any) error {
	encoder := json.NewEncoder(s.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// explain adds what to do to errors that need it.
func explain(err error) error {
	var drift *bridge.DriftError
	switch {
	case errors.As(err, &drift):
		return fmt.Errorf("%w\nseawallctl watch repairs the rules and guards them, seawallctl apply -f FILE repairs them", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w\nthe kernel wants CAP_NET_ADMIN: run as root", err)
	}
	return err
}

// findEndpoint returns the endpoint that NETWORK/NAME means, or NAME where that is
// unambiguous.
func findEndpoint(v *bridge.View, name string) (*bridge.Endpoint, error) {
	if network, endpoint, both := strings.Cut(name, "/"); both {
		if e := v.Endpoint(network, endpoint); e != nil {
			return e, nil
		}
		return nil, fmt.Errorf("there is no endpoint %s: %w", name, fs.ErrNotExist)
	}
	var found []string
	var last *bridge.Endpoint
	for n := range v.Networks() {
		if e := v.Endpoint(n.Spec.Name, name); e != nil {
			last, found = e, append(found, e.String())
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("there is no endpoint %s in any network: %w", name, fs.ErrNotExist)
	case 1:
		return last, nil
	}
	return nil, fmt.Errorf("endpoint %s is in several networks: say %s", name, strings.Join(found, " or "))
}
