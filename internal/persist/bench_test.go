package persist

import (
	"strconv"
	"testing"
)

const manyKeys = 60_000

func keys() []string {
	names := make([]string, manyKeys)
	for i := range names {
		names[i] = "endpoint/" + strconv.Itoa(i)
	}
	return names
}

func full[K comparable](names []K) Map[K, int] {
	e := Map[K, int]{}.Edit()
	for i, name := range names {
		e.Set(name, i)
	}
	return e.Map()
}

func ints() []uint32 {
	numbers := make([]uint32, manyKeys)
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	return numbers
}

func BenchmarkGet(b *testing.B) {
	b.Run("string", func(b *testing.B) { benchmarkGet(b, keys()) })
	b.Run("uint32", func(b *testing.B) { benchmarkGet(b, ints()) })
}

func benchmarkGet[K comparable](b *testing.B, names []K) {
	m := full(names)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok := m.Get(names[i%manyKeys]); !ok {
			b.Fatal("lost")
		}
		i += 7919
	}
}

func BenchmarkSetOne(b *testing.B) {
	b.Run("string", func(b *testing.B) { benchmarkSetOne(b, keys()) })
	b.Run("uint32", func(b *testing.B) { benchmarkSetOne(b, ints()) })
}

func benchmarkSetOne[K comparable](b *testing.B, names []K) {
	m := full(names)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Set(names[i%manyKeys], i)
		i += 7919
	}
}

func BenchmarkAddAndDeleteOne(b *testing.B) {
	names := keys()
	m := full(names[1:])
	b.ReportAllocs()
	for b.Loop() {
		m = m.Set(names[0], 1).Delete(names[0])
	}
}

// BenchmarkBulkSet reports the time of one Set among 60,000 through one Editor.
func BenchmarkBulkSet(b *testing.B) {
	b.Run("string", func(b *testing.B) { benchmarkBulkSet(b, keys()) })
	b.Run("uint32", func(b *testing.B) { benchmarkBulkSet(b, ints()) })
}

func benchmarkBulkSet[K comparable](b *testing.B, names []K) {
	b.ReportAllocs()
	for b.Loop() {
		full(names)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/manyKeys, "ns/set")
}

func BenchmarkAll(b *testing.B) {
	m := full(keys())
	for b.Loop() {
		sum := 0
		for _, v := range m.All() {
			sum += v
		}
		if sum == 0 {
			b.Fatal("lost")
		}
	}
}
