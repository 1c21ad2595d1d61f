package keys_test

import (
	"testing"

	"github.com/stampede-store/stampede/fdblayer/keys"
	"github.com/stampede-store/stampede/object"
)

func BenchmarkVersionKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		space.VersionOperand(300, "photos/2026/01/02/img-0001.jpg", pending)
	}
}

func BenchmarkParseVersionKey(b *testing.B) {
	key := space.Version(300, "photos/2026/01/02/img-0001.jpg", stamp)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := space.ParseVersion(key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeVersion(b *testing.B) {
	for name, v := range map[string]object.Version{"blob": version, "manifest": whole} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := keys.EncodeVersion(&v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeVersion(b *testing.B) {
	for name, v := range map[string]object.Version{"blob": version, "manifest": whole} {
		value := must(keys.EncodeVersion(&v))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := keys.DecodeVersion(v.Key, v.Stamp, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeList(b *testing.B) {
	value := keys.EncodeList(listed)
	b.ReportMetric(float64(len(value)), "bytes")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.DecodeList(value); err != nil {
			b.Fatal(err)
		}
	}
}
