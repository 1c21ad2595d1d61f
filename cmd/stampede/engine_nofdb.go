//go:build !fdb

package main

import "go.uber.org/zap"

// hasFDB says whether this binary was built with FoundationDB's client.
const hasFDB = false

func openFDB(metaOptions, *zap.Logger) (*metadata, error) { return nil, errNoFDB }
