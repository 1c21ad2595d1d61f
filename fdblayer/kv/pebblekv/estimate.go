package pebblekv

import (
	"bytes"
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stampede-store/stampede/fdblayer/kv"
)

// How many rows are read between two looks at the context, and how many are counted
// before an estimate is taken from the sizes of the files.
const (
	rowsPerContextCheck = 1024
	rowsCountedMax      = 10_000
)

// SplitPoints reads the range to find where to cut it: its cost grows with the range.
func (db *DB) SplitPoints(ctx context.Context, r kv.Range, sizeBytes int64) ([][]byte, error) {
	const op = "SplitPoints"
	if sizeBytes <= 0 {
		return nil, fatal(op, kv.CodeClientInvalidOperation)
	}
	if err := checkAdminRange(op, r); err != nil {
		return nil, err
	}
	points := [][]byte{bytes.Clone(r.Begin)}
	var since int64
	err := db.scan(ctx, op, r, func(it *pebble.Iterator, _ int) bool {
		if since >= sizeBytes {
			points = append(points, bytes.Clone(it.Key()))
			since = 0
		}
		since += rowBytes(it)
		return true
	})
	if err != nil {
		return nil, err
	}
	return append(points, bytes.Clone(r.End)), nil
}

// EstimatedSizeBytes counts small ranges. For large ones it returns the size of the files, compressed, if that is
// greater than what was counted.
func (db *DB) EstimatedSizeBytes(ctx context.Context, r kv.Range) (int64, error) {
	const op = "EstimatedSizeBytes"
	if err := checkAdminRange(op, r); err != nil {
		return 0, err
	}
	var size int64
	whole := true
	err := db.scan(ctx, op, r, func(it *pebble.Iterator, n int) bool {
		whole = n < rowsCountedMax
		size += rowBytes(it)
		return whole
	})
	if err != nil || whole {
		return size, err
	}
	if err := db.enter(op); err != nil {
		return 0, err
	}
	defer db.leave()
	files, err := db.rows.EstimateDiskUsage(r.Begin, r.End)
	if err != nil {
		return 0, &kv.Error{Op: "pebblekv." + op, Kind: kv.Fatal, Err: err}
	}
	return max(size, int64(files)), nil
}

func rowBytes(it *pebble.Iterator) int64 {
	value := it.LazyValue()
	return int64(len(it.Key()) + value.Len())
}

func checkAdminRange(op string, r kv.Range) error {
	switch {
	case bytes.Compare(r.Begin, r.End) > 0:
		return fatal(op, kv.CodeInvertedRange)
	case bytes.Compare(r.End, legalEnd) > 0:
		return fatal(op, kv.CodeKeyOutsideLegalRange)
	}
	return nil
}

// scan gives the rows of a range to f, with their numbers, until it returns false.
func (db *DB) scan(ctx context.Context, op string, r kv.Range, f func(it *pebble.Iterator, n int) bool) (err error) {
	if bytes.Equal(r.Begin, r.End) {
		return nil
	}
	if err := db.enter(op); err != nil {
		return err
	}
	defer db.leave()
	s, _, err := db.versions.newest()
	if err != nil {
		return err
	}
	defer s.release()
	it, err := s.rows.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: r.Begin, UpperBound: r.End})
	if err == nil {
		n := 0
		for valid := it.First(); valid; valid = it.Next() {
			if n++; n%rowsPerContextCheck == 0 && ctx.Err() != nil {
				_ = it.Close() // the context's error is the one to return
				return ctx.Err()
			}
			if !f(it, n) {
				break
			}
		}
		err = it.Close()
	}
	if err != nil {
		return &kv.Error{Op: "pebblekv." + op, Kind: kv.Fatal, Err: err}
	}
	return nil
}
