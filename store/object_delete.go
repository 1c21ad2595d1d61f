package store

import (
	"context"

	"github.com/stampede-store/stampede/fdblayer"
	"github.com/stampede-store/stampede/object"
)

// DeleteObject is one deletion. Absent is success. NoSuchBucket.
func (s *Store) DeleteObject(ctx context.Context, b object.BucketName, d fdblayer.DeleteObject) (fdblayer.Deleted, object.Token, error) {
	deleted, token, err := s.DeleteObjects(ctx, b, []fdblayer.DeleteObject{d})
	if err != nil {
		return fdblayer.Deleted{}, object.Token{}, err
	}
	return deleted[0], token, deleted[0].Err
}

// DeleteObjects deletes up to object.DeleteKeysMax objects, each on its own: the result has one entry for each, in
// order. Double keys are deleted once and answered each; a bad name is that entry's error. More, or none, is
// MalformedXML, as in S3. err is for what concerns all (NoSuchBucket).
func (s *Store) DeleteObjects(ctx context.Context, b object.BucketName, d []fdblayer.DeleteObject) ([]fdblayer.Deleted, object.Token, error) {
	const op = "store.DeleteObjects"
	if err := b.Validate(); err != nil {
		return nil, object.Token{}, err
	}
	if len(d) == 0 || len(d) > object.DeleteKeysMax {
		return nil, object.Token{}, &object.Error{Op: op, Kind: object.MalformedXML}
	}
	answers := make([]fdblayer.Deleted, len(d))
	unique := make([]fdblayer.DeleteObject, 0, len(d))
	place := make(map[fdblayer.DeleteObject]int, len(d)) // in unique
	for i, one := range d {
		if answers[i].Err = validateDelete(op, one); answers[i].Err != nil {
			continue
		}
		if _, double := place[one]; !double {
			place[one] = len(unique)
			unique = append(unique, one)
		}
	}
	if len(unique) == 0 {
		_, token, err := s.layer.GetBucket(ctx, b)
		return answers, token, err
	}
	var deleted []fdblayer.Deleted
	var token object.Token
	err := commit(ctx, func(ctx context.Context) (err error) {
		deleted, token, err = s.layer.DeleteObjects(ctx, b, unique)
		return err
	})
	if err != nil {
		return nil, object.Token{}, notNow(op, err)
	}
	for i, one := range d {
		if answers[i].Err == nil {
			answers[i] = deleted[place[one]]
			answers[i].Err = notNow(op, answers[i].Err)
		}
	}
	return answers, token, nil
}

func validateDelete(op string, d fdblayer.DeleteObject) error {
	if err := d.Key.Validate(); err != nil {
		return err
	}
	return validateVersionID(op, d.VersionID)
}
