package nft

import (
	"encoding/binary"
	"fmt"
)

// Userdata is a list of type, length, value. The kernel keeps it and looks at
// none of it. Types below 200 are nft's own; the ones here are invisible to nft
// and iptables.
const (
	udataComment    = 0 // of tables, chains, rules and elements, with a NUL
	udataSetComment = 7

	udataSetKeyByteOrder  = 0
	udataSetDataByteOrder = 1

	udataOpaque = 200
	udataKey    = 201
	udataRank   = 202
)

// The limits of what nft and the kernel keep.
const (
	maxComment      = 128
	maxKey          = 64
	maxUserdata     = 254
	maxElemUserdata = 252
)

// udata is the decoded userdata of an object.
type udata struct {
	Comment  string
	Userdata string
	Key      string
	Rank     int
	// Other is everything else, as it was found.
	Other string
}

func appendTLV(b []byte, typ byte, v string) []byte {
	b = append(b, typ, byte(len(v)))
	return append(b, v...)
}

// appendUserdata encodes the userdata of a table, chain, rule or element.
func appendUserdata(b []byte, comment, opaque, key string, rank int) []byte {
	if comment != "" {
		b = appendTLV(b, udataComment, comment+"\x00")
	}
	if key != "" {
		b = appendTLV(b, udataKey, key)
		if rank != 0 {
			b = appendTLV(b, udataRank, string(binary.AppendVarint(nil, int64(rank))))
		}
	}
	if opaque != "" {
		b = appendTLV(b, udataOpaque, opaque)
	}
	return b
}

// The byte orders that nft stores with a set, to list its elements.
const (
	byteOrderHost = 1
	byteOrderBig  = 2
)

func byteOrder(t Type) string {
	order := uint32(byteOrderBig)
	if parts := t.parts(); len(parts) == 1 && datatypes[t].host {
		order = byteOrderHost
	}
	return string(binary.NativeEndian.AppendUint32(nil, order))
}

// userdata encodes a set's userdata: what nft wants to know of the types, and
// our own.
func (s *Set) userdata() []byte {
	b := appendTLV(nil, udataSetKeyByteOrder, byteOrder(s.Key))
	if s.IsMap() && s.Data != TypeVerdict {
		b = appendTLV(b, udataSetDataByteOrder, byteOrder(s.Data))
	}
	if s.Comment != "" {
		b = appendTLV(b, udataSetComment, s.Comment+"\x00")
	}
	if s.Userdata != "" {
		b = appendTLV(b, udataOpaque, s.Userdata)
	}
	return b
}

// checkUserdata refuses what would not fit.
func checkUserdata(comment, opaque string, encoded, limit int) error {
	if len(comment) > maxComment {
		return fmt.Errorf("the comment has %d bytes: at most %d", len(comment), maxComment)
	}
	if len(opaque) > limit || encoded > limit {
		return fmt.Errorf("comment, key and userdata take %d bytes: at most %d", encoded, limit)
	}
	for i := range len(comment) {
		if comment[i] == 0 || comment[i] == '"' || comment[i] == '\n' {
			return fmt.Errorf("the comment has a %q, which nft would misread", comment[i])
		}
	}
	return nil
}

// decodeUserdata reads the userdata of a table, chain, rule or element; set
// tells that it is a set's. What it does not know it keeps in Other.
func decodeUserdata(b []byte, set bool) udata {
	var u udata
	comment := byte(udataComment)
	if set {
		comment = udataSetComment
	}
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		typ, v := b[0], b[2:2+int(b[1])]
		switch {
		case typ == comment && len(v) > 0 && v[len(v)-1] == 0:
			u.Comment = string(v[:len(v)-1])
		case set && (typ == udataSetKeyByteOrder || typ == udataSetDataByteOrder):
			// For nft's eyes only.
		case typ == udataOpaque:
			u.Userdata = string(v)
		case typ == udataKey:
			u.Key = string(v)
		case typ == udataRank:
			rank, _ := binary.Varint(v)
			u.Rank = int(rank)
		default:
			u.Other += string(b[:2+len(v)])
		}
		b = b[2+len(v):]
	}
	u.Other += string(b)
	return u
}
