package netlab

import (
	"encoding/binary"
	"hash/crc32"
)

// Chunk types of RFC 9260, section 3.2, and the parameter that carries the server's reply (section 3.3.3).
const (
	sctpInit        = 1
	sctpInitAck     = 2
	sctpStateCookie = 7
)

// sctpChunk is a packet of one INIT or INIT ACK chunk: all there is to one exchange.
type sctpChunk struct {
	sport, dport uint16
	tag          uint32 // verification tag: 0 with an INIT, the INIT's initiate tag with its answer
	kind         byte
	initTag      uint32 // initiate tag, not 0
	cookie       []byte // INIT ACK only
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c sctpChunk) marshal() []byte {
	length := 20
	if c.cookie != nil {
		length += 4 + len(c.cookie)
	}
	b := make([]byte, 0, 12+length+3)
	b = binary.BigEndian.AppendUint16(b, c.sport)
	b = binary.BigEndian.AppendUint16(b, c.dport)
	b = binary.BigEndian.AppendUint32(b, c.tag)
	b = append(b, 0, 0, 0, 0, c.kind, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = binary.BigEndian.AppendUint32(b, c.initTag)
	b = binary.BigEndian.AppendUint32(b, 65536)     // receiver window
	b = append(b, 0, 1, 0, 1)                       // one stream each way
	b = binary.BigEndian.AppendUint32(b, c.initTag) // first transmission sequence number: any
	if c.cookie != nil {
		b = binary.BigEndian.AppendUint16(b, sctpStateCookie)
		b = binary.BigEndian.AppendUint16(b, uint16(4+len(c.cookie)))
		b = append(b, c.cookie...)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, castagnoli))
	return b
}

// parseSCTP reads a packet that begins with an INIT or INIT ACK chunk and has a right checksum.
func parseSCTP(b []byte) (c sctpChunk, ok bool) {
	if len(b) < 32 {
		return c, false
	}
	sum := crc32.Update(0, castagnoli, b[:8])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	sum = crc32.Update(sum, castagnoli, b[12:])
	length := int(binary.BigEndian.Uint16(b[14:]))
	c = sctpChunk{
		sport: binary.BigEndian.Uint16(b), dport: binary.BigEndian.Uint16(b[2:]),
		tag: binary.BigEndian.Uint32(b[4:]), kind: b[12], initTag: binary.BigEndian.Uint32(b[16:]),
	}
	if sum != binary.LittleEndian.Uint32(b[8:]) || length < 20 || 12+length > len(b) ||
		c.kind != sctpInit && c.kind != sctpInitAck {
		return c, false
	}
	for parameters := b[32 : 12+length]; len(parameters) >= 4; {
		size := int(binary.BigEndian.Uint16(parameters[2:]))
		if size < 4 || size > len(parameters) {
			return c, false
		}
		if binary.BigEndian.Uint16(parameters) == sctpStateCookie {
			c.cookie = parameters[4:size]
		}
		parameters = parameters[min((size+3)&^3, len(parameters)):]
	}
	return c, true
}
