package nflog

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func attribute(b []byte, typ uint16, v ...byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(v)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, v...)
	return append(b, make([]byte, (4-len(v)%4)%4)...)
}

// told is a message as the kernel sends it.
func told() []byte {
	b := []byte{unix.NFPROTO_IPV4, 0, 0, 5}
	b = attribute(b, attrHeader, 8, 0, 2, 0)
	b = attribute(b, attrPrefix, []byte("seawall web: not published \x00")...)
	b = attribute(b, attrIn, 0, 0, 0, 3)
	b = attribute(b, attrPhysOut, 0, 0, 1, 4)
	b = attribute(b, attrMark, 0, 0, 0x10, 0)
	b = attribute(b, attrTimestamp, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 8)
	b = attribute(b, 99, 1, 2, 3)
	return attribute(b, attrPayload, 0x45, 0, 0, 20)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	var p Packet
	if err := p.decode(told()); err != nil {
		t.Fatal(err)
	}
	if p.Family != unix.NFPROTO_IPV4 || p.EtherType != unix.ETH_P_IP || p.Hook != 2 || p.Prefix != "seawall web: not published " ||
		p.In != 3 || p.Out != 0 || p.PhysIn != 0 || p.PhysOut != 260 || p.Mark != 0x1000 ||
		!p.Time.Equal(time.Unix(9, 8000)) || string(p.Payload) != "\x45\x00\x00\x14" {
		t.Errorf("%+v", p)
	}
	for what, b := range map[string][]byte{
		"nothing":              nil,
		"half a header":        {2, 0},
		"half an attribute":    told()[:7],
		"a long attribute":     {2, 0, 0, 0, 200, 0, 1, 0},
		"a short attribute":    {2, 0, 0, 0, 3, 0, 1, 0},
		"an index of 2 bytes":  attribute([]byte{2, 0, 0, 0}, attrIn, 0, 1),
		"a time of 8 bytes":    attribute([]byte{2, 0, 0, 0}, attrTimestamp, 0, 0, 0, 0, 0, 0, 0, 1),
		"a protocol of 1 byte": attribute([]byte{2, 0, 0, 0}, attrHeader, 8),
	} {
		if err := p.decode(b); err == nil {
			t.Errorf("%s: %+v", what, p)
		}
	}
}

// FuzzDecode: nothing makes the decoder panic, and a payload is never longer than the message.
func FuzzDecode(f *testing.F) {
	f.Add(told())
	f.Add([]byte{7, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packet
		if err := p.decode(b); err == nil && len(p.Payload)+len(p.Prefix) > len(b) {
			t.Errorf("%d bytes make %+v", len(b), p)
		}
	})
}
