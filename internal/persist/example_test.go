package persist_test

import (
	"fmt"

	"github.com/seawall-net/seawall/internal/persist"
)

func Example() {
	var empty persist.Map[string, int]
	edit := empty.Edit()
	edit.Set("http", 80)
	edit.Set("https", 443)
	before := edit.Map()

	after := before.Set("http", 8080).Delete("https")

	http, _ := before.Get("http")
	fmt.Println(before.Len(), http)
	http, _ = after.Get("http")
	fmt.Println(after.Len(), http)
	// Output:
	// 2 80
	// 1 8080
}
