package store

import (
	"unicode/utf8"

	"github.com/stampede-store/stampede/object"
)

// nullVersionID names the version written while its bucket kept no versions.
const nullVersionID = "null"

func validateNames(b object.BucketName, k object.Key) error {
	if err := b.Validate(); err != nil {
		return err
	}
	return k.Validate()
}

// validateVersionID accepts none, "null", and the text form of a stamp.
func validateVersionID(op string, id string) error {
	if id == "" || id == nullVersionID {
		return nil
	}
	if _, err := object.ParseStamp(id); err != nil {
		return &object.Error{
			Op: op, Kind: object.InvalidArgument, Ref: object.Ref{Argument: "versionId", Value: id},
			Message: "Invalid version id specified", Err: err,
		}
	}
	return nil
}

// validateMetadata checks S3's limits on what is stored beside the bytes.
func validateMetadata(op string, m object.Metadata) error {
	user := 0
	for name, value := range m.User {
		user += len(name) + len(value)
	}
	h := m.Headers
	system := len(h.ContentType) + len(h.CacheControl) + len(h.ContentDisposition) + len(h.ContentEncoding) +
		len(h.ContentLanguage) + len(h.Expires) + len(h.WebsiteRedirect)
	if user > object.UserMetaBytes || system > systemHeadersMaxBytes {
		return &object.Error{Op: op, Kind: object.MetadataTooLarge}
	}
	return validateTags(op, m.Tags)
}

func validateTags(op string, tags map[string]string) error {
	if len(tags) > tagsMax {
		return &object.Error{Op: op, Kind: object.InvalidTag, Message: "Object tags cannot be greater than 10"}
	}
	for key, value := range tags {
		switch {
		case key == "" || !utf8.ValidString(key) || utf8.RuneCountInString(key) > tagKeyMaxRunes:
			return &object.Error{Op: op, Kind: object.InvalidTag, Message: "The TagKey you have provided is invalid"}
		case !utf8.ValidString(value) || utf8.RuneCountInString(value) > tagValueMaxRunes:
			return &object.Error{Op: op, Kind: object.InvalidTag, Message: "The TagValue you have provided is invalid"}
		}
	}
	return nil
}

// validatePrefix keeps what selects keys within the length of a key: longer ones match nothing, and
// must not become keys of the database.
func validatePrefix(op, argument, text string) error {
	if len(text) > object.KeyMaxBytes {
		return &object.Error{Op: op, Kind: object.KeyTooLong, Ref: object.Ref{Key: object.Key(text), Argument: argument}}
	}
	return nil
}
