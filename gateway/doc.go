// Package gateway serves S3 over HTTP: it decodes a request, checks its
// signature, calls the store and encodes the answer. The rules of S3's wire
// format live here; the rules of objects live in store.
//
// Every operation is a row of the table in routes.go. A handler takes a request
// and returns a response or an error; it never touches the http.ResponseWriter.
// One wrapper (exchange.go) renders both, logs a line a request, counts, and
// turns a panic into one 500. An operation that is not built yet is a row
// without a handler and answers NotImplemented.
//
// A Gateway holds no state of the store. It bounds requests and bytes in
// flight, ends clients that are too slow, and answers 503 while it is not
// ready. All exported functions and methods are safe for concurrent use.
//
//	g, err := gateway.New(gateway.Options{Auth: verifier, Region: "us-east-1"})
//	go gateway.NewHTTPServer(g).Serve(listener) // answers 503
//	g.Attach(gateway.FromStore(store))          // answers requests
package gateway
