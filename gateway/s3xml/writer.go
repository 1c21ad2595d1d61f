package s3xml

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Namespace is the XML namespace of S3's documents.
const Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// TimeFormat is how S3's documents write times: ISO 8601 in UTC to the
// millisecond.
const TimeFormat = "2006-01-02T15:04:05.000Z"

const (
	prolog10 = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	prolog11 = `<?xml version="1.1" encoding="UTF-8"?>` + "\n"
)

// Writer builds one document in memory. The zero value is ready. It is used
// instead of encoding/xml's encoder because that one replaces every character
// that XML 1.0 forbids by U+FFFD: a listing would name keys that don't exist.
type Writer struct {
	buf []byte
	// control is set when a character was written that only XML 1.1 allows.
	control bool
}

// Start opens an element.
func (w *Writer) Start(name string) {
	w.begin()
	w.buf = append(w.buf, '<')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '>')
}

// StartRoot opens the root element of a document in S3's namespace.
func (w *Writer) StartRoot(name string) {
	w.begin()
	w.buf = append(w.buf, '<')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, ` xmlns="`+Namespace+`">`...)
}

func (w *Writer) begin() {
	if len(w.buf) == 0 {
		w.buf = append(w.buf, prolog10...)
	}
}

// End closes an element.
func (w *Writer) End(name string) {
	w.buf = append(w.buf, "</"...)
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '>')
}

// Text writes an element with text, also when the text is empty.
func (w *Writer) Text(name, text string) {
	w.Start(name)
	w.escape(text)
	w.End(name)
}

// Optional writes an element unless the text is empty.
func (w *Writer) Optional(name, text string) {
	if text != "" {
		w.Text(name, text)
	}
}

// Int writes an element with a number.
func (w *Writer) Int(name string, n int64) {
	w.Start(name)
	w.buf = strconv.AppendInt(w.buf, n, 10)
	w.End(name)
}

// Bool writes an element with true or false.
func (w *Writer) Bool(name string, b bool) {
	w.Start(name)
	w.buf = strconv.AppendBool(w.buf, b)
	w.End(name)
}

// Time writes an element with a time.
func (w *Writer) Time(name string, t time.Time) {
	w.Start(name)
	w.buf = t.UTC().AppendFormat(w.buf, TimeFormat)
	w.End(name)
}

// ETag writes an ETag element; S3 has the quotes inside, as references.
func (w *Writer) ETag(tag string) {
	w.Start("ETag")
	w.buf = append(w.buf, "&quot;"...)
	w.escape(tag)
	w.buf = append(w.buf, "&quot;"...)
	w.End("ETag")
}

// Bytes is the document. It belongs to the caller; the Writer is spent.
//
// A document with control characters declares XML 1.1, which allows them as
// character references (XML 1.1 §2.2; S3 writes the same references under 1.0,
// where they are not well-formed). Clients whose parser knows only 1.0 ask for
// encoding-type=url, as S3's documentation tells them to.
func (w *Writer) Bytes() []byte {
	if w.control {
		copy(w.buf, prolog11)
	}
	return w.buf
}

const hexDigits = "0123456789ABCDEF"

// escape appends text with markup, white space that parsers would change, and
// control characters as references. Invalid UTF-8 (which no key has) becomes
// U+FFFD, so that the document stays well-formed.
func (w *Writer) escape(text string) {
	last := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if ref := asciiReference(c); ref != "" {
				w.buf = append(w.buf, text[last:i]...)
				w.buf = append(w.buf, ref...)
				last = i + 1
			} else if c < ' ' || c == 0x7F {
				w.buf = append(w.buf, text[last:i]...)
				w.reference(rune(c))
				last = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			w.buf = append(w.buf, text[last:i]...)
			w.buf = append(w.buf, "\uFFFD"...)
			last = i + size
		case r < 0xA0 || r == '\u2028' || r == 0xFFFE || r == 0xFFFF:
			w.buf = append(w.buf, text[last:i]...)
			w.reference(r)
			last = i + size
		}
		i += size
	}
	w.buf = append(w.buf, text[last:]...)
}

func asciiReference(c byte) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '"':
		return "&quot;"
	case '\t':
		return "&#x9;"
	case '\n':
		return "&#xA;"
	case '\r':
		return "&#xD;"
	}
	return ""
}

// reference appends a character reference, and notes whether XML 1.0 forbids
// the character. No version of XML has U+0000, U+FFFE and U+FFFF; a key with
// one of these can be listed with encoding-type=url only.
func (w *Writer) reference(r rune) {
	if r < ' ' || r == 0xFFFE || r == 0xFFFF {
		w.control = true
	}
	w.buf = append(w.buf, "&#x"...)
	w.buf = append(w.buf, strconv.FormatInt(int64(r), 16)...)
	w.buf = append(w.buf, ';')
}

// URLEncode is encoding-type=url: every byte but letters, digits and -._~/ as
// %XX. A space is %20, which decoders of paths and of forms both understand.
func URLEncode(s string) string {
	plain := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '-' || c == '.' || c == '_' || c == '~' || c == '/'
	}
	escaped := 0
	for i := range len(s) {
		if !plain(s[i]) {
			escaped++
		}
	}
	if escaped == 0 {
		return s
	}
	out := make([]byte, 0, len(s)+2*escaped)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', hexDigits[c>>4], hexDigits[c&0xF])
		}
	}
	return string(out)
}
