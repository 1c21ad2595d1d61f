#!/usr/bin/env bash
# Compiles, vets and links everything that is behind the build tag fdb, and runs those of its
# tests that need no cluster, against the stub of FoundationDB's client library in this folder.
# It needs Go and a C compiler.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${CC:-gcc}" -Wall -Wextra -Werror -shared -fPIC -I"$here" -o "$work/libfdb_c.so" "$here/fdb_c.c"

export CGO_ENABLED=1
export CGO_CFLAGS="-I$here ${CGO_CFLAGS:-}"
export CGO_LDFLAGS="-L$work ${CGO_LDFLAGS:-}"
export LD_LIBRARY_PATH="$work${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export STAMPEDE_FDB_STUB=1
unset FDB_CLUSTER_FILE STAMPEDE_TEST_META

go vet -tags fdb ./...
go build -tags fdb -o "$work/stampede" ./cmd/stampede
"$work/stampede" version >/dev/null
# Go does not know that the library behind -L is another one: a result of the real one must not be reused.
go test -tags fdb -count 1 ./fdblayer/kv/fdbkv
