package portmap_test

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/seawall-net/seawall/portmap"
)

func ExampleParse() {
	for _, spec := range []string{"80", "127.0.0.1:8080:80/UDP", "::1:8000-8009:9000-9009", "localhost:8080:80"} {
		b, err := portmap.Parse(spec)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(b, "- to port", b.Container, "of the container by", b.Proto)
	}
	// Output:
	// 80 - to port 80 of the container by tcp
	// 127.0.0.1:8080:80/udp - to port 80 of the container by udp
	// [::1]:8000-8009:9000-9009 - to port 9000-9009 of the container by tcp
	// portmap: "localhost:8080:80": host address "localhost": is not an IP address (names are not looked up)
}

func ExampleSpecError() {
	_, err := portmap.Parse("8000-8010:9000-9005")
	if e, ok := errors.AsType[*portmap.SpecError](err); ok {
		fmt.Println(e.Field, e.Value)
	}
	// Output: host port 8000-8010
}

func ExampleIndex() {
	var published portmap.Index[string]

	// publish takes all that spec claims, or nothing.
	publish := func(spec, owner string) error {
		claims := portmap.MustParse(spec).Claims(true, true)
		for i, c := range claims {
			if err := published.Add(c, owner); err != nil {
				for _, added := range claims[:i] {
					published.Remove(added)
				}
				return err
			}
		}
		return nil
	}

	fmt.Println(publish("[::1]:8080:80", "web/c1"))
	err := publish("8080:80", "web/c2") // could have had 0.0.0.0:8080
	fmt.Println(err)
	fmt.Println(errors.Is(err, fs.ErrExist), published.Len())
	// Output:
	// <nil>
	// portmap: [::]:8080/tcp: already published as [::1]:8080/tcp by web/c1
	// true 1
}
