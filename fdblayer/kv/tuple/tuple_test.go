package tuple_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stampede-store/stampede/fdblayer/kv/tuple"
)

var (
	uuid  = tuple.UUID{0x11, 0x00, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x11, 0x00, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	stamp = tuple.Versionstamp{0, 0, 0, 1, 2, 3, 4, 5, 0, 7, 0, 9}
)

// TestGolden compares with the vectors of FoundationDB's specification, and
// with bytes computed by hand from it for what it gives no vector for.
func TestGolden(t *testing.T) {
	rows := []struct {
		name  string
		tuple tuple.Tuple
		want  string
	}{
		{"specification: byte string", tuple.Tuple{[]byte("foo\x00bar")}, "\x01foo\x00\xffbar\x00"},
		{"specification: unicode string", tuple.Tuple{"F\u00d4O\x00bar"}, "\x02F\xc3\x94O\x00\xffbar\x00"},
		{"specification: nested", tuple.Tuple{tuple.Tuple{[]byte("foo\x00bar"), nil, tuple.Tuple{}}}, "\x05\x01foo\x00\xffbar\x00\x00\xff\x05\x00\x00"},
		{"specification: nested empty", tuple.Tuple{tuple.Tuple{}}, "\x05\x00"},
		{"specification: nested null", tuple.Tuple{tuple.Tuple{nil}}, "\x05\x00\xff\x00"},
		{"specification: integer", tuple.Tuple{int64(-5551212)}, "\x11\xabK\x93"},
		{"specification: minus one", tuple.Tuple{int64(-1)}, "\x13\xfe"},
		{"specification: float", tuple.Tuple{float32(-42)}, "\x20\x3d\xd7\xff\xff"},
		{"empty", tuple.Tuple{}, ""},
		{"null", tuple.Tuple{nil}, "\x00"},
		{"bytes of zeros and ones", tuple.Tuple{[]byte("\x00\xff\x00")}, "\x01\x00\xff\xff\x00\xff\x00"},
		{"zero", tuple.Tuple{int64(0)}, "\x14"},
		{"one", tuple.Tuple{int64(1)}, "\x15\x01"},
		{"255", tuple.Tuple{int64(255)}, "\x15\xff"},
		{"256", tuple.Tuple{int64(256)}, "\x16\x01\x00"},
		{"-255", tuple.Tuple{int64(-255)}, "\x13\x00"},
		{"-256", tuple.Tuple{int64(-256)}, "\x12\xfe\xff"},
		{"largest int64", tuple.Tuple{int64(math.MaxInt64)}, "\x1c\x7f\xff\xff\xff\xff\xff\xff\xff"},
		{"smallest int64", tuple.Tuple{int64(math.MinInt64)}, "\x0c\x7f\xff\xff\xff\xff\xff\xff\xff"},
		{"largest uint64", tuple.Tuple{uint64(math.MaxUint64)}, "\x1c\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"false, true", tuple.Tuple{false, true}, "\x26\x27"},
		{"double", tuple.Tuple{float64(1)}, "\x21\xbf\xf0\x00\x00\x00\x00\x00\x00"},
		{"negative double", tuple.Tuple{float64(-1)}, "\x21\x40\x0f\xff\xff\xff\xff\xff\xff"},
		{"uuid", tuple.Tuple{uuid}, "\x30" + string(uuid[:])},
		{"versionstamp", tuple.Tuple{stamp}, "\x33" + string(stamp[:])},
		{"incomplete versionstamp", tuple.Tuple{tuple.IncompleteVersionstamp(258)}, "\x33" + strings.Repeat("\xff", 10) + "\x01\x02"},
		{"namespaces", tuple.Tuple{"a", int64(1234), nil}, "\x02a\x00\x16\x04\xd2\x00"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got, err := r.tuple.Pack()
			if err != nil || string(got) != r.want {
				t.Fatalf("pack %v: got %x, %v; want %x", r.tuple, got, err, r.want)
			}
			back, err := tuple.Unpack(got)
			if err != nil || !reflect.DeepEqual(back, r.tuple) {
				t.Fatalf("unpack %x: got %v, %v; want %v", got, back, err, r.tuple)
			}
		})
	}
}

// TestOrder packs elements given in ascending order and wants ascending keys.
func TestOrder(t *testing.T) {
	ordered := []any{
		nil,
		[]byte(""), []byte("\x00"), []byte("\x00\xff"), []byte("\x01"), []byte("a"), []byte("a\x00"), []byte("a\x00b"), []byte("ab"), []byte("\xff"),
		"", "\x00", "a", "a\x00", "ab", "b",
		tuple.Tuple{},
		tuple.Tuple{nil},
		tuple.Tuple{nil, nil},
		tuple.Tuple{[]byte("")},
		tuple.Tuple{int64(0)},
		int64(math.MinInt64), int64(-1 << 32), int64(-65536), int64(-65535), int64(-257), int64(-256), int64(-255), int64(-2), int64(-1),
		0, 1, 2, 255, 256, 257, 65535, 65536, int64(1 << 32), int64(math.MaxInt64), uint64(math.MaxInt64) + 1, uint64(math.MaxUint64),
		float32(math.Inf(-1)), float32(-1.5), float32(math.Copysign(0, -1)), float32(0), float32(1.5), float32(math.Inf(1)),
		math.Inf(-1), -1.5, math.Copysign(0, -1), 0.0, math.SmallestNonzeroFloat64, 1.5, math.Inf(1),
		false, true,
		tuple.UUID{},
		uuid,
		tuple.Versionstamp{},
		stamp, tuple.IncompleteVersionstamp(0), tuple.IncompleteVersionstamp(1),
	}
	for i := 1; i < len(ordered); i++ {
		// A second element must not disturb the order of the first.
		a, errA := tuple.Tuple{ordered[i-1], "zzz"}.Pack()
		b, errB := tuple.Tuple{ordered[i], nil}.Pack()
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if bytes.Compare(a, b) >= 0 {
			t.Errorf("%v (%x) sorts behind %v (%x)", ordered[i-1], a, ordered[i], b)
		}
	}
}

// TestDecoder takes every type by its own method.
func TestDecoder(t *testing.T) {
	key := tuple.AppendNil(nil)
	key = tuple.AppendBytes(key, []byte("a\x00b"))
	key = tuple.AppendString(key, "s\x00")
	key = tuple.AppendInt(key, -300)
	key = tuple.AppendUint(key, math.MaxUint64)
	key = tuple.AppendBool(key, true)
	key = tuple.AppendFloat32(key, -2.5)
	key = tuple.AppendFloat64(key, 2.5)
	key = tuple.AppendUUID(key, uuid)
	key = tuple.AppendVersionstamp(key, stamp)
	key, err := tuple.AppendNested(key, tuple.Tuple{nil, "x", tuple.Tuple{int64(1)}})
	if err != nil {
		t.Fatal(err)
	}
	d := tuple.NewDecoder(key)
	check := func(got any, err error, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, %v; want %v", got, err, want)
		}
	}
	check(nil, d.Nil(), nil)
	b, err := d.Bytes()
	check(b, err, []byte("a\x00b"))
	s, err := d.String()
	check(s, err, "s\x00")
	i, err := d.Int()
	check(i, err, int64(-300))
	u, err := d.Uint()
	check(u, err, uint64(math.MaxUint64))
	v, err := d.Bool()
	check(v, err, true)
	f, err := d.Float32()
	check(f, err, float32(-2.5))
	g, err := d.Float64()
	check(g, err, 2.5)
	id, err := d.UUID()
	check(id, err, uuid)
	st, err := d.Versionstamp()
	check(st, err, stamp)
	if !d.More() || len(d.Rest()) == 0 {
		t.Fatal("nothing left before the last element")
	}
	n, err := d.Nested()
	check(n, err, tuple.Tuple{nil, "x", tuple.Tuple{int64(1)}})
	if err := d.Done(); err != nil {
		t.Fatal(err)
	}
}

// TestMalformed wants ErrMalformed, and that the first error sticks.
func TestMalformed(t *testing.T) {
	any1 := func(d *tuple.Decoder) error { _, err := d.Any(); return err }
	rows := []struct {
		name, bytes string
		take        func(d *tuple.Decoder) error
	}{
		{"nothing left", "", any1},
		{"bytes without end", "\x01abc", any1},
		{"bytes with an escaped end", "\x01abc\x00\xff", any1},
		{"string without end", "\x02abc", any1},
		{"integer cut short", "\x16\x01", any1},
		{"integer with leading zero", "\x16\x00\x01", any1},
		{"negative integer with leading zero", "\x12\xff\xfe", any1},
		{"negative zero", "\x13\xff", any1},
		{"integer below int64", "\x0c\x7f\xff\xff\xff\xff\xff\xff\xfe", any1},
		{"integer of 9 bytes", "\x1d\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00", any1},
		{"negative integer of 9 bytes", "\x0b\xf6\x01\x00\x00\x00\x00\x00\x00\x00\x00", any1},
		{"float cut short", "\x20\x01\x02\x03", any1},
		{"double cut short", "\x21\x01\x02\x03", any1},
		{"uuid cut short", "\x30\x01", any1},
		{"versionstamp cut short", "\x33\x01", any1},
		{"nested without end", "\x05\x15\x01", any1},
		{"nested with an escaped end", "\x05\x00\xff", any1},
		{"nested too deeply", strings.Repeat("\x05", 1000), any1},
		{"deprecated nested", "\x03\x04", any1},
		{"deprecated true", "\x25", any1},
		{"reserved", "\xff", any1},
		{"uint that is negative", "\x13\xfe", func(d *tuple.Decoder) error { _, err := d.Uint(); return err }},
		{"int that is too large", "\x1c\xff\xff\xff\xff\xff\xff\xff\xff", func(d *tuple.Decoder) error { _, err := d.Int(); return err }},
		{"string that is bytes", "\x01a\x00", func(d *tuple.Decoder) error { _, err := d.String(); return err }},
		{"bytes that is string", "\x02a\x00", func(d *tuple.Decoder) error { _, err := d.Bytes(); return err }},
		{"integer that is string", "\x02a\x00", func(d *tuple.Decoder) error { _, err := d.Int(); return err }},
		{"boolean that is null", "\x00", func(d *tuple.Decoder) error { _, err := d.Bool(); return err }},
		{"null that is boolean", "\x26", func(d *tuple.Decoder) error { return d.Nil() }},
		{"left over", "\x14", func(d *tuple.Decoder) error { return d.Done() }},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			d := tuple.NewDecoder([]byte(r.bytes))
			if err := r.take(&d); !errors.Is(err, tuple.ErrMalformed) {
				t.Fatalf("%x: got %v, want ErrMalformed", r.bytes, err)
			}
			first := d.Err()
			if _, err := d.Any(); err != first || d.Done() != first || d.More() {
				t.Fatalf("%x: the first error (%v) does not stick", r.bytes, first)
			}
		})
	}
}

func TestUnencodable(t *testing.T) {
	for _, e := range []any{struct{}{}, int8(1), tuple.Tuple{complex(1, 1)}} {
		got, err := tuple.Tuple{"a", e}.Append([]byte("p"))
		if !errors.Is(err, tuple.ErrUnencodable) || string(got) != "p" {
			t.Errorf("%v: got %q, %v; want p, ErrUnencodable", e, got, err)
		}
	}
}

func TestStrinc(t *testing.T) {
	rows := []struct{ prefix, want string }{
		{"a", "b"},
		{"ab", "ac"},
		{"a\xff", "b"},
		{"a\xff\xff", "b"},
		{"\x00", "\x01"},
		{"a\xfe", "a\xff"},
	}
	for _, r := range rows {
		got, err := tuple.Strinc([]byte(r.prefix))
		if err != nil || string(got) != r.want {
			t.Errorf("%q: got %q, %v; want %q", r.prefix, got, err, r.want)
		}
		if p := tuple.PrefixRange([]byte(r.prefix)); string(p.Begin) != r.prefix || string(p.End) != r.want {
			t.Errorf("%q: got range %q to %q", r.prefix, p.Begin, p.End)
		}
	}
	for _, prefix := range []string{"", "\xff", "\xff\xff"} {
		if got, err := tuple.Strinc([]byte(prefix)); err == nil {
			t.Errorf("%q: got %q, want an error", prefix, got)
		}
	}
}

// FuzzRoundTrip packs a tuple of every type and wants it back, and wants keys
// of byte strings and integers to sort as they do.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("a"), []byte("a\x00"), "s", int64(-5), int64(6), uint64(7), 1.5)
	f.Add([]byte{}, []byte{0xff}, "\x00", int64(math.MinInt64), int64(-1), uint64(math.MaxUint64), math.Inf(-1))
	f.Fuzz(func(t *testing.T, a, b []byte, s string, i, j int64, u uint64, g float64) {
		if math.IsNaN(g) {
			g = 0
		}
		in := tuple.Tuple{a, s, nil, i, tuple.Tuple{nil, b, tuple.Tuple{u, g}}, float32(1), g, true, uuid, stamp}
		key, err := in.Pack()
		if err != nil {
			t.Fatal(err)
		}
		out, err := tuple.Unpack(key)
		if err != nil {
			t.Fatalf("%x: %v", key, err)
		}
		again, err := out.Pack()
		if err != nil || !bytes.Equal(again, key) {
			t.Fatalf("%v came back as %v, %v", in, out, err)
		}
		if got, want := slices.Compare(tuple.AppendBytes(nil, a), tuple.AppendBytes(nil, b)), bytes.Compare(a, b); got != want {
			t.Fatalf("%x and %x compare as %d, their keys as %d", a, b, want, got)
		}
		wantOrder := 0
		if i < j {
			wantOrder = -1
		} else if i > j {
			wantOrder = 1
		}
		if got := bytes.Compare(tuple.AppendInt(nil, i), tuple.AppendInt(nil, j)); got != wantOrder {
			t.Fatalf("%d and %d: keys compare as %d", i, j, got)
		}
	})
}

// FuzzUnpack feeds the decoder any bytes: what it accepts must be exactly what
// packing the result gives.
func FuzzUnpack(f *testing.F) {
	for _, s := range []string{"", "\x01foo\x00\xffbar\x00", "\x05\x01foo\x00\xffbar\x00\x00\xff\x05\x00\x00", "\x11\xabK\x93", "\x20\x3d\xd7\xff\xff", "\x16\x00\x01", "\x33", "\x05\x05\x05"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := tuple.Unpack(b)
		if err != nil {
			if !errors.Is(err, tuple.ErrMalformed) {
				t.Fatalf("%x: %v is not ErrMalformed", b, err)
			}
			return
		}
		again, err := out.Pack()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x decodes as %v, which packs as %x, %v", b, out, again, err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	dst := make([]byte, 0, 128)
	name := []byte("photos/2026/a.jpg")
	for b.Loop() {
		dst = tuple.AppendString(dst[:0], "V")
		dst = tuple.AppendUint(dst, 123456)
		dst = tuple.AppendBytes(dst, name)
		dst = tuple.AppendVersionstamp(dst, stamp)
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	key := tuple.AppendString(nil, "V")
	key = tuple.AppendUint(key, 123456)
	key = tuple.AppendBytes(key, []byte("photos/2026/a.jpg"))
	key = tuple.AppendVersionstamp(key, stamp)
	for b.Loop() {
		d := tuple.NewDecoder(key)
		_, _ = d.String()
		_, _ = d.Uint()
		_, _ = d.Bytes()
		_, _ = d.Versionstamp()
		if err := d.Done(); err != nil {
			b.Fatal(err)
		}
	}
}
