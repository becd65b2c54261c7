package compat_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/nft"
)

func TestLayoutNamed(t *testing.T) {
	want := []string{"native", "hybrid", "docker-28", "docker-18.05", "docker-17.06", "docker-1.10", "docker-1.9"}
	if got := compat.LayoutNames(); !slices.Equal(got, want) {
		t.Errorf("names: %v, want %v", got, want)
	}
	for _, name := range want {
		l, err := compat.LayoutNamed(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if l.Name() != name {
			t.Errorf("%s is named %s", name, l.Name())
		}
	}
	_, err := compat.LayoutNamed("docker-27")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `"docker-27"`) || !strings.Contains(err.Error(), "docker-18.05") {
		t.Errorf("docker-27: %v", err)
	}
}

func TestUserChains(t *testing.T) {
	for name, want := range map[string][2]bool{
		"docker-1.9": {}, "docker-1.10": {}, "docker-17.06": {true, false}, "docker-18.05": {true, false}, "docker-28": {true, true},
	} {
		l, err := compat.LayoutNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range []nft.Family{nft.IPv4, nft.IPv6} {
			chain := nft.ChainRef{}
			if want[i] {
				chain = nft.TableRef{Family: f, Name: "filter"}.Chain("DOCKER-USER")
			}
			if got := l.UserChain(f); got != chain {
				t.Errorf("%s: %v: %v, want %v", name, f, got, chain)
			}
		}
		if got := l.UserChain(nft.Bridge); got != (nft.ChainRef{}) {
			t.Errorf("%s: bridge: %v", name, got)
		}
	}
}

func ExampleLayoutNamed() {
	layout, err := compat.LayoutNamed("docker-28") // for bridge.Config
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(layout.Name(), layout.UserChain(nft.IPv4))
	// Output: docker-28 ip filter DOCKER-USER
}
