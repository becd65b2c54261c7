package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
)

func completionCommand() *command {
	c := newCommand("completion", "completion bash|zsh|fish",
		"print the completion of a shell",
		"source <(seawallctl completion bash)",
		"seawallctl completion zsh > ~/.zfunc/_seawallctl",
		"seawallctl completion fish > ~/.config/fish/completions/seawallctl.fish")
	c.words = []string{"bash", "zsh", "fish"}
	c.run = func(_ context.Context, s *session) error {
		shells := map[string]func() string{"bash": completeBash, "zsh": completeZsh, "fish": completeFish}
		if len(s.args) != 1 || shells[s.args[0]] == nil || s.rest != nil {
			return s.usage("one of bash, zsh, fish is needed")
		}
		_, err := io.WriteString(s.stdout, shells[s.args[0]]())
		return err
	}
	return c
}

// flagNames are the flags of a command as they are typed.
func (c *command) flagNames() []string {
	var names []string
	c.flags.VisitAll(func(f *flag.Flag) { names = append(names, dashed(f)) })
	return append(names, "--help")
}

func dashed(f *flag.Flag) string {
	if len(f.Name) == 1 {
		return "-" + f.Name
	}
	return "--" + f.Name
}

func names() string {
	var all []string
	for _, c := range commands() {
		all = append(all, c.name)
	}
	return strings.Join(all, " ")
}

// completeBash proposes commands, their words and flags, and files.
func completeBash() string {
	var cases strings.Builder
	for _, c := range commands() {
		fmt.Fprintf(&cases, "\t%s) words=%q ;;\n", c.name, strings.Join(append(c.words, c.flagNames()...), " "))
	}
	return fmt.Sprintf(`_seawallctl() {
	local words command i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--netns) ((i++)) ;;
		-*) ;;
		*) command=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $command in
	'') words=%q ;;
%s	esac
	COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _seawallctl seawallctl
`, names()+" --netns --help", cases.String())
}

// completeZsh describes commands, and offers their words and flags.
func completeZsh() string {
	var all, cases strings.Builder
	for _, c := range commands() {
		fmt.Fprintf(&all, "\t\t%s\n", quote(c.name+":"+c.summary))
		fmt.Fprintf(&cases, "\t%s) compadd -- %s; _files ;;\n", c.name, strings.Join(append(c.words, c.flagNames()...), " "))
	}
	return fmt.Sprintf(`#compdef seawallctl
_seawallctl() {
	local -a all
	all=(
%s	)
	if ((CURRENT == 2)); then
		_describe command all
		compadd -- --netns --help
		return
	fi
	case $words[2] in
%s	esac
}
_seawallctl "$@"
`, all.String(), cases.String())
}

// completeFish does the same.
func completeFish() string {
	var out strings.Builder
	fmt.Fprintf(&out, "complete -c seawallctl -n __fish_use_subcommand -f -l netns -r -d %s\n", quote("act in another network namespace"))
	for _, c := range commands() {
		fmt.Fprintf(&out, "complete -c seawallctl -n __fish_use_subcommand -f -a %s -d %s\n", c.name, quote(c.summary))
		seen := quote("__fish_seen_subcommand_from " + c.name)
		if len(c.words) > 0 {
			fmt.Fprintf(&out, "complete -c seawallctl -n %s -f -a %s\n", seen, quote(strings.Join(c.words, " ")))
		}
		c.flags.VisitAll(func(f *flag.Flag) {
			form := "-l"
			if len(f.Name) == 1 {
				form = "-s"
			}
			value, what := flag.UnquoteUsage(f)
			if value != "" {
				form = "-r " + form
			}
			fmt.Fprintf(&out, "complete -c seawallctl -n %s %s %s -d %s\n", seen, form, f.Name, quote(what))
		})
	}
	return out.String()
}

// quote is a word for a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
