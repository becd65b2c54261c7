package document

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A reader turns nodes of YAML into values, and refuses what they are not.
type reader struct{ file string }

func (r reader) refuse(n *yaml.Node, format string, args ...any) error {
	return &Error{File: r.file, Line: n.Line, Reason: fmt.Sprintf(format, args...)}
}

// yamlLine is where the parser of YAML says that it stopped.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// root returns the value of the only document of a text.
func (r reader) root(text io.Reader) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(text)
	var doc, next yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF), err == nil && doc.Content[0].ShortTag() == "!!null":
		return nil, &Error{File: r.file, Reason: "is empty: a firewall without networks is networks: []"}
	case err != nil:
		return nil, r.syntax(err)
	}
	if err := decoder.Decode(&next); err == nil {
		return nil, r.refuse(&next, "a second document: there can be one only")
	} else if !errors.Is(err, io.EOF) {
		return nil, r.syntax(err)
	}
	return doc.Content[0], nil
}

// syntax is an error of the parser of YAML.
func (r reader) syntax(err error) error {
	found := yamlLine.FindStringSubmatch(err.Error())
	if found == nil {
		return &Error{File: r.file, Reason: err.Error(), Err: err}
	}
	line, _ := strconv.Atoi(found[1])
	return &Error{r.file, line, strings.TrimPrefix(err.Error(), found[0]), err}
}

// A field reads the value of a key.
type field func(*yaml.Node) error

// mapping reads keys with their fields, in their order in the document, and
// returns their lines.
func (r reader) mapping(n *yaml.Node, what string, fields map[string]field) (place, error) {
	p := place{n.Line, map[string]int{}}
	if n.Kind != yaml.MappingNode {
		return p, r.refuse(n, "%s must be a mapping, and is %s", what, kindOf(n))
	}
	for i := 0; i < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		read := fields[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode || read == nil:
			return p, r.refuse(name, "%s: unknown key %q: there are %s", what, name.Value, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		case p.keys[name.Value] != 0:
			return p, r.refuse(name, "%s: %s is there twice, in line %d too", what, name.Value, p.keys[name.Value])
		}
		p.keys[name.Value] = name.Line
		if err := read(value); err != nil {
			return p, err
		}
	}
	return p, nil
}

// need refuses a mapping that lacks a key.
func (r reader) need(n *yaml.Node, p place, what string, names ...string) error {
	for _, name := range names {
		if p.keys[name] == 0 {
			return r.refuse(n, "%s: %s is missing", what, name)
		}
	}
	return nil
}

// list reads each entry of a list.
func (r reader) list(what string, each field) field {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.SequenceNode {
			return r.refuse(n, "%s must be a list, and is %s", what, kindOf(n))
		}
		for _, entry := range n.Content {
			if err := each(entry); err != nil {
				return err
			}
		}
		return nil
	}
}

// text reads a string. Numbers are taken as they are written: names may look
// like them.
func (r reader) text(what string, set func(string) error) field {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" || n.ShortTag() == "!!bool" {
			return r.refuse(n, "%s must be a string, and is %s", what, kindOf(n))
		}
		if err := set(n.Value); err != nil {
			return &Error{r.file, n.Line, what + ": " + err.Error(), err}
		}
		return nil
	}
}

func (r reader) string(what string, to *string) field {
	return r.text(what, func(s string) error { *to = s; return nil })
}

func (r reader) bool(what string, to *bool) field {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Decode(to) != nil {
			return r.refuse(n, "%s must be true or false, and is %s", what, kindOf(n))
		}
		return nil
	}
}

// not reads the opposite of a field.
func (r reader) not(what string, to *bool) field {
	return func(n *yaml.Node) error {
		err := r.bool(what, to)(n)
		*to = !*to
		return err
	}
}

func (r reader) int(what string, to *int) field {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || n.Decode(to) != nil {
			return r.refuse(n, "%s must be a number, and is %s", what, kindOf(n))
		}
		return nil
	}
}

// addr reads an address; an empty one is none.
func (r reader) addr(what string, to *netip.Addr) field {
	return r.text(what, func(s string) (err error) {
		if s == "" {
			return nil
		}
		if *to, err = netip.ParseAddr(s); err != nil || to.Zone() != "" || to.Is4In6() {
			return fmt.Errorf("%q is not an IP address", s)
		}
		return nil
	})
}

func (r reader) prefix(what string, to *netip.Prefix) field {
	return r.text(what, func(s string) (err error) {
		if *to, err = netip.ParsePrefix(s); err != nil {
			return fmt.Errorf("%q is not a subnet such as 172.18.0.0/16", s)
		}
		return nil
	})
}

// ignored is for what `ls --json` says besides.
func ignored(*yaml.Node) error { return nil }

// kindOf names what a node is, for people.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias, which is not understood here"
	case n.ShortTag() == "!!null":
		return "empty"
	case n.ShortTag() == "!!bool", n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		return n.Value
	}
	return strconv.Quote(n.Value)
}
