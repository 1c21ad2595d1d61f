// Package fdblayer keeps buckets, objects, versions, uploads and sessions as
// transactions on a kv.Database. See Layer.
package fdblayer
