package document_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/examples/seawallctl/document"
)

func TestTmp(t *testing.T) {
	d, err := document.Parse("x.yaml", strings.NewReader(`
firewall: {layout: native}
networks:
  - name: web
    ipv4: {subnet: 172.18.0.0/16}
    ipv6: {subnet: "fd00:18::/64", mode: routed}
endpoints:
  - name: c1
    network: web
    ipv4: 172.18.0.2
    publish: [8080:80, "81", {spec: "90:90", from: [192.0.2.0/24]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.Facts()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	_ = document.List(d.Layout, &d.Host, v, document.Counted{}).Write(&b)
	t.Log(b.String())
	_, err = document.Parse("y", bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = document.Parse("y", strings.NewReader("{\n\t\"networks\": []\n}"))
	t.Log(err)
}
