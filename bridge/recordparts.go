package bridge

import (
	"fmt"
	"strings"
)

// maxRecord is how long a record can be so that it fits into the userdata of any
// object, with what else is kept there.
const maxRecord = 240

// partHeader is how long a part is without its share of the record.
const partHeader = 10

// splitRecord returns a record as it is kept: whole if it fits, otherwise in
// parts, each with kind and order of the fact, its number, and how many there
// are.
func splitRecord(kind byte, order uint64, record string) []string {
	if len(record) <= maxRecord {
		return []string{record}
	}
	const share = maxRecord - partHeader
	count := (len(record) + share - 1) / share
	parts := make([]string, count)
	for i := range parts {
		w := recordWriter{[]byte{recordPart, kind}}
		w.order(order)
		w.b = append(w.b, byte(i), byte(count))
		parts[i] = w.String() + record[i*share:min((i+1)*share, len(record))]
	}
	return parts
}

// A partOfRecord is one part of a record as it was read back.
type partOfRecord struct {
	kind         byte
	order        uint64
	index, count int
	text         string
}

func decodePart(r *recordReader) partOfRecord {
	p := partOfRecord{kind: r.byte(), order: r.order(), index: int(r.byte()), count: int(r.byte())}
	p.text = string(r.take(len(r.b)))
	if p.count < 2 || p.index >= p.count || p.text == "" {
		r.bad = true
	}
	return p
}

// recordParts collects the parts of records.
type recordParts map[factKey][]string

// A factKey tells facts apart.
type factKey struct {
	kind  byte
	order uint64
}

func (r record) key() factKey { return factKey{r.kind, r.order} }

// add takes a part, and returns the record once it is complete.
func (all recordParts) add(p partOfRecord) (record string, complete bool) {
	k := factKey{p.kind, p.order}
	have := all[k]
	if len(have) < p.count {
		have = append(have, make([]string, p.count-len(have))...)
		all[k] = have
	}
	have[p.index] = p.text
	for _, text := range have {
		if text == "" {
			return "", false
		}
	}
	return strings.Join(have, ""), true
}

// incomplete names a record of which a part is missing, or returns nil.
func (all recordParts) incomplete(seen map[factKey]bool) error {
	for k := range all {
		if !seen[k] {
			return fmt.Errorf("the record of fact %d (%c): a part is missing: %w", k.order, k.kind, ErrForeignTable)
		}
	}
	return nil
}

// wholeRecord is a fact's record in one, however long it is.
func wholeRecord(f Fact) string {
	switch f := f.(type) {
	case *Network:
		return f.record
	case *Binding:
		return f.encode()
	}
	return f.Records()[0]
}
