package netlab

// checksum is the Internet checksum of RFC 1071 over the parts, all but the last of which have even lengths.
func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, part := range parts {
		for i := 0; i < len(part); i += 2 {
			word := uint32(part[i]) << 8
			if i+1 < len(part) {
				word |= uint32(part[i+1])
			}
			sum += word
			sum = sum&0xffff + sum>>16
		}
	}
	return ^uint16(sum)
}
