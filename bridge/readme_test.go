package bridge_test

import (
	"os"
	"strings"
	"testing"
)

// The README's example is code that compiles and runs: the body of serve.
func TestReadmeExample(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(readme), "```go\n")
	example, _, closed := strings.Cut(example, "```\n")
	_, body, compiled := strings.Cut(string(code), "func serve(ctx context.Context) error {\n")
	body, _, _ = strings.Cut(body, "\n}\n")
	if !found || !closed || !compiled {
		t.Fatal("the README has no Go example, or example_test.go no function serve")
	}
	var outdented strings.Builder
	for line := range strings.Lines(body + "\n") {
		outdented.WriteString(strings.TrimPrefix(line, "\t"))
	}
	if example != outdented.String() {
		t.Errorf("the README says:\n%s\nand serve is:\n%s", example, outdented.String())
	}
}
