package conformance

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
)

func testedLayout(t *testing.T) bridge.Layout {
	t.Helper()
	if !slices.Contains([]string{"native", "hybrid", "docker-28"}, *layoutName) {
		t.Fatalf("-layout %s: use native, hybrid or docker-28", *layoutName)
	}
	layout, err := compat.LayoutNamed(*layoutName)
	if err != nil {
		t.Fatal(err)
	}
	return layout
}

// asDocker expects of layout docker-28 what Docker does, for the reasons that the
// page's section about it names.
func asDocker(t *testing.T, expected map[probe]expectation) {
	t.Helper()
	if *layoutName != "docker-28" {
		return
	}
	_, text, found := strings.Cut(read(t, page), "## "+withDocker28+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, withDocker28)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	reasons := map[string]bool{}
	for _, match := range regexp.MustCompile(`\[([a-z0-9-]+)\][^:]`).FindAllStringSubmatch(text, -1) {
		reasons[match[1]] = false
	}
	for p, e := range expected {
		if _, named := reasons[e.row.reference]; named {
			reasons[e.row.reference] = true
			e.want = e.docker
			expected[p] = e
		}
	}
	if !slices.Contains(slices.Collect(maps.Values(reasons)), true) {
		t.Errorf("section %q names none of the reasons here", withDocker28)
	}
}
