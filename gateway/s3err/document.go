package s3err

import (
	"errors"
	"strconv"

	"github.com/stampede-store/stampede/gateway/s3xml"
	"github.com/stampede-store/stampede/object"
)

// Field is an element that S3 adds to the error documents of some codes, such
// as ArgumentName or ActualObjectSize.
type Field struct{ Name, Value string }

// Error is a failure with what S3 tells the client beyond code and status. It
// unwraps to its kind and its cause.
type Error struct {
	Kind object.Kind
	// Message replaces that of the kind; "" keeps it. The client sees it.
	Message string
	Fields  []Field
	// Err is the cause, for the log; it may be nil.
	Err error
}

func (e *Error) Error() string {
	text := e.Kind.Error()
	if e.Message != "" {
		text += ": " + e.Message
	}
	for _, f := range e.Fields {
		text += " " + f.Name + "=" + strconv.Quote(f.Value)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap makes both the kind and the cause visible to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Where says what the error document tells of the request itself.
type Where struct {
	// Resource is the path that was asked for.
	Resource string
	// Region is the region clients must sign for.
	Region            string
	RequestID, HostID string
}

// Document is the error document of err.
func Document(err error, w Where) []byte {
	row := Of(KindOf(err))
	message, fields := describe(err, row, w)
	var x s3xml.Writer
	x.Start("Error")
	x.Text("Code", row.Code)
	x.Text("Message", message)
	for _, f := range fields {
		x.Text(f.Name, f.Value)
	}
	x.Text("Resource", w.Resource)
	x.Text("RequestId", w.RequestID)
	x.Text("HostId", w.HostID)
	x.End("Error")
	return x.Bytes()
}

// Message is what the client is told of err besides its code.
func Message(err error) string {
	message, _ := describe(err, Of(KindOf(err)), Where{})
	return message
}

// describe gathers message and extra fields. A failure that is ours keeps its
// details out of what the client sees.
func describe(err error, row Row, w Where) (string, []Field) {
	message := row.Message
	var fields []Field
	var own *Error
	if errors.As(err, &own) {
		if own.Message != "" {
			message = own.Message
		}
		fields = own.Fields
	}
	var e *object.Error
	if errors.As(err, &e) {
		if own == nil && e.Message != "" {
			message = e.Message
		}
		fields = append(fields[:len(fields):len(fields)], refFields(e.Kind, e.Ref)...)
	}
	if KindOf(err) == object.AuthorizationMalformed && w.Region != "" {
		// botocore reads Region here and signs again for it.
		fields = append(fields, Field{"Region", w.Region})
	}
	return message, fields
}

// refFields are the fields that S3's documents have for a kind, as far as the
// error names them.
func refFields(k object.Kind, ref object.Ref) []Field {
	var fields []Field
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, Field{name, value})
		}
	}
	//exhaustive:ignore the other kinds' documents have no fields of their own
	switch k {
	case object.NoSuchBucket, object.BucketAlreadyExists, object.BucketAlreadyOwnedByYou, object.BucketNotEmpty,
		object.InvalidBucketName:
		add("BucketName", string(ref.Bucket))
	case object.NoSuchKey:
		add("Key", string(ref.Key))
	case object.NoSuchVersion:
		add("Key", string(ref.Key))
		add("VersionId", ref.Version)
	case object.NoSuchUpload:
		add("UploadId", ref.Upload)
	case object.InvalidPart:
		add("UploadId", ref.Upload)
		if ref.Part != 0 {
			add("PartNumber", strconv.Itoa(ref.Part))
		}
	case object.InvalidAccessKeyID:
		add("AWSAccessKeyId", ref.Value)
	case object.KeyTooLong:
		add("MaxSizeAllowed", strconv.Itoa(object.KeyMaxBytes))
		add("Size", strconv.Itoa(len(ref.Key)))
	case object.NotImplemented:
		add("Header", ref.Argument)
	default:
		if ref.Argument != "" {
			add("ArgumentName", ref.Argument)
			add("ArgumentValue", ref.Value)
		}
	}
	return fields
}
