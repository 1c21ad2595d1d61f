#!/usr/bin/env bash
# Runs well-known S3 clients against an endpoint: a bucket is made, a tree of
# real files and a large file go up and come back identical, are listed,
# presigned and deleted, and the bucket is removed. See README.md beside it.
#
# One line per client and step; exit status 1 if one fails. Nothing is left
# behind on the endpoint or on this machine, except the clients themselves,
# which are installed from Debian's packages if they are absent.
set -uo pipefail

usage() {
  cat <<'TEXT'
usage: tests/clients/run.sh [--all] [--quick] [--only CLIENT,…]

  --all     upload all of the Go distribution's src, not just some folders
  --quick   64 MiB instead of 1 GiB for the one very large file
  --only    some of: aws boto3 curl rclone s3cmd restic s3fs

environment:
  STAMPEDE_ENDPOINT       http://127.0.0.1:9000
  AWS_ACCESS_KEY_ID       AWS_SECRET_ACCESS_KEY
  AWS_REGION              default us-east-1
  AWS_CLI                 default /usr/bin/aws
  PYTHON                  default /usr/bin/python3, with boto3
TEXT
}

die() { printf '%s\n' "run.sh: $*" >&2; exit 2; }

all= quick= only=aws,boto3,curl,rclone,s3cmd,restic,s3fs
while (($#)); do
  case $1 in
    --all) all=1 ;;
    --quick) quick=1 ;;
    --only) only=${2:?--only needs a list}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
for client in ${only//,/ }; do
  case $client in
    aws | boto3 | curl | rclone | s3cmd | restic | s3fs) ;;
    *) die "there is no client \"$client\"; see --help" ;;
  esac
done

: "${STAMPEDE_ENDPOINT:?is the S3 endpoint to test, http://127.0.0.1:9000}"
: "${AWS_ACCESS_KEY_ID:?is needed}" "${AWS_SECRET_ACCESS_KEY:?is needed}"
endpoint=${STAMPEDE_ENDPOINT%/}
region=${AWS_REGION:-us-east-1}
# A second, older aws may come first in PATH.
AWS_CLI=${AWS_CLI:-/usr/bin/aws}
PYTHON=${PYTHON:-/usr/bin/python3}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# No step may hang for ever; the longest takes minutes with --all.
readonly step_limit=1800

# ---- what every client needs -------------------------------------------------

install_clients() {
  local packages=()
  [ -x "$AWS_CLI" ] || packages+=(awscli)
  "$PYTHON" -c 'import boto3' 2>/dev/null || packages+=(python3-boto3)
  local command
  for command in curl rclone s3cmd restic; do
    command -v "$command" >/dev/null || packages+=("$command")
  done
  if [ -e /dev/fuse ]; then
    command -v s3fs >/dev/null || packages+=(s3fs)
  fi
  ((${#packages[@]})) || return 0
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
    die "install these first, or run as root on Debian: ${packages[*]}"
  printf 'installing %s\n' "${packages[*]}"
  apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
    die "apt-get could not install ${packages[*]}"
}

make_files() {
  local source folder
  source=$(go env GOROOT)/src
  [ -d "$source" ] || die "no Go distribution with sources: go env GOROOT gives ${source%/src}"
  mkdir -p "$work/tree"
  if [ -n "$all" ]; then
    cp -rL "$source/." "$work/tree/"
  else
    for folder in archive encoding net strings; do
      cp -rL "$source/$folder" "$work/tree/"
    done
  fi
  # S3 has no folders, so empty ones do not come back.
  find "$work/tree" -type d -empty -delete
  mkdir "$work/tree/odd names"
  printf 'x' >"$work/tree/odd names/space and + plus & ampersand.txt"
  printf 'x' >"$work/tree/odd names/grüße 日本語 ~'(1)'.txt"
  printf 'x' >"$work/tree/odd names/100% = a,b;c@d!.txt"
  : >"$work/tree/odd names/empty"
  files=$(find "$work/tree" -type f | wc -l)

  head -c $((64 << 20)) /dev/urandom >"$work/large"
  if [ -n "$quick" ]; then
    ln -s large "$work/huge"
  else
    head -c $((1 << 30)) /dev/urandom >"$work/huge"
  fi
}

# A home of its own keeps every client from reading or writing the user's files.
isolate() {
  mkdir -p "$work/home" "$work/logs"
  export HOME=$work/home TMPDIR=$work LC_ALL=C.UTF-8
  export XDG_CONFIG_HOME=$HOME/.config XDG_CACHE_HOME=$HOME/.cache
  export AWS_CONFIG_FILE=$work/aws.conf AWS_SHARED_CREDENTIALS_FILE=/dev/null
  export AWS_REGION=$region AWS_DEFAULT_REGION=$region AWS_EC2_METADATA_DISABLED=true AWS_PAGER=
  export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY STAMPEDE_ENDPOINT=$endpoint
  unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
  unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
  printf '[default]\ns3 =\n  addressing_style = path\n  signature_version = s3v4\n' >"$AWS_CONFIG_FILE"
}

buckets=()
mount=

clean_up() {
  trap - EXIT INT TERM
  [ -z "$mount" ] || ! mountpoint -q "$mount" || fusermount -u "$mount" || fusermount -uz "$mount"
  local bucket
  for bucket in "${buckets[@]}"; do
    if run_aws s3api head-bucket --bucket "$bucket" >/dev/null 2>&1; then
      run_aws s3 rb --force "s3://$bucket" >/dev/null 2>&1 || printf 'left behind: bucket %s\n' "$bucket" >&2
    fi
  done
  rm -rf "$work"
}

# new_bucket CLIENT names a bucket that is removed at the end in any case.
new_bucket() {
  bucket=stampede-clients-$1-$$-$RANDOM
  buckets+=("$bucket")
}

# step CLIENT NAME COMMAND… runs one step, unless one of this client failed
# before, and prints its line. The command is called outside of any condition:
# there, set -e would count for nothing inside of it.
step() {
  local client=$1 name=$2 began=${EPOCHREALTIME/[.,]/} status log tenths
  shift 2
  ((broken)) && return
  log=$work/logs/$client
  : >"$work/detail"
  (set -e; "$@") >"$log" 2>&1
  status=$?
  tenths=$(((${EPOCHREALTIME/[.,]/} - began) / 100000))
  if ((status)); then
    broken=1 failed=1
    printf 'FAIL %s  %s (status %d, %d.%d s)\n' "$client" "$name" "$status" $((tenths / 10)) $((tenths % 10))
    tail -n 30 "$log" | cut -c 1-500 | sed 's/^/    | /'
  else
    printf 'ok %s  %s (%s%d.%d s)\n' "$client" "$name" "$(cat "$work/detail")" $((tenths / 10)) $((tenths % 10))
  fi
}

# note adds to the line of the running step.
note() { printf '%s, ' "$*" >"$work/detail"; }

limited() { timeout --kill-after=10 "$step_limit" "$@"; }

# same_tree FOLDER compares what came back with what went up.
same_tree() { diff -r "$work/tree" "$1" && note "$files files"; }

# expect_count GOT says how many keys a listing must show.
expect_count() {
  note "$1 keys"
  [ "$1" = "$files" ] || { echo "listed $1 keys, uploaded $files files"; return 1; }
}

megabytes() { note "$(($(stat -Lc %s "$1") >> 20)) MiB"; }

# ---- aws ---------------------------------------------------------------------

run_aws() { limited "$AWS_CLI" --endpoint-url "$endpoint" "$@"; }

aws_upload() { run_aws s3 cp --recursive --only-show-errors "$work/tree" "s3://$bucket/tree/" && note "$files files"; }
aws_download() {
  run_aws s3 cp --recursive --only-show-errors "s3://$bucket/tree/" "$work/aws"
  same_tree "$work/aws"
}
aws_sync() {
  run_aws s3 sync "$work/tree" "s3://$bucket/tree/" >"$work/aws-sync"
  [ ! -s "$work/aws-sync" ] || { head "$work/aws-sync"; return 1; }
}
aws_list() { expect_count "$(run_aws s3 ls --recursive "s3://$bucket/tree/" | wc -l)"; }
aws_large() {
  run_aws s3 cp --only-show-errors "$work/huge" "s3://$bucket/huge"
  run_aws s3 cp --only-show-errors "s3://$bucket/huge" - | cmp - "$work/huge"
  megabytes "$work/huge"
}
aws_copy() {
  run_aws s3 cp --only-show-errors "s3://$bucket/tree/strings/strings.go" "s3://$bucket/copy of strings.go"
  run_aws s3 cp --only-show-errors "s3://$bucket/copy of strings.go" - | cmp - "$work/tree/strings/strings.go"
}
aws_range() {
  run_aws s3api get-object --bucket "$bucket" --key tree/strings/strings.go --range bytes=100-299 "$work/range" >/dev/null
  tail -c +101 "$work/tree/strings/strings.go" | head -c 200 | cmp - "$work/range"
}
aws_presign() {
  local url
  url=$(run_aws s3 presign "s3://$bucket/tree/odd names/space and + plus & ampersand.txt")
  limited curl --silent --show-error --fail "$url" | cmp - "$work/tree/odd names/space and + plus & ampersand.txt"
  # The same URL with another key must not work.
  [ "$(curl --silent --output /dev/null --write-out '%{http_code}' "${url/space/spice}")" = 403 ]
}
aws_delete() {
  run_aws s3 rm --recursive --only-show-errors "s3://$bucket/"
  [ -z "$(run_aws s3 ls --recursive "s3://$bucket/")" ]
}

client_aws() {
  new_bucket aws
  step aws "create bucket" run_aws s3 mb "s3://$bucket"
  step aws "upload tree" aws_upload
  step aws "download tree" aws_download
  step aws "sync changes nothing" aws_sync
  step aws "list" aws_list
  step aws "large file by multipart" aws_large
  step aws "copy" aws_copy
  step aws "range" aws_range
  step aws "presign" aws_presign
  step aws "delete" aws_delete
  step aws "remove bucket" run_aws s3 rb "s3://$bucket"
}

# ---- boto3 -------------------------------------------------------------------

# The script prints its own lines: it keeps one connection over all its steps.
client_boto3() {
  new_bucket boto3
  if ! limited "$PYTHON" "$here/boto3_expect.py" "$bucket"; then
    failed=1
  fi
}

# ---- curl --aws-sigv4 --------------------------------------------------------

# The key pair is in a file, so that it is not among the process's arguments.
run_curl() { limited curl --silent --show-error --fail --config "$work/curl.conf" "$@"; }

curl_upload() {
  local file count=0
  for file in "$work"/tree/strings/*.go; do
    run_curl --upload-file "$file" "$endpoint/$bucket/strings/${file##*/}"
    count=$((count + 1))
  done
  note "$count files"
}
curl_download() {
  local file
  for file in "$work"/tree/strings/*.go; do
    run_curl "$endpoint/$bucket/strings/${file##*/}" | cmp - "$file"
  done
}
curl_list() {
  run_curl "$endpoint/$bucket?list-type=2&prefix=strings%2F" | grep -q '<Key>strings/strings.go</Key>'
}
curl_large() {
  run_curl --upload-file "$work/large" "$endpoint/$bucket/large"
  run_curl "$endpoint/$bucket/large" | cmp - "$work/large"
  megabytes "$work/large"
}
curl_delete() {
  local file
  for file in "$work"/tree/strings/*.go; do
    run_curl --request DELETE "$endpoint/$bucket/strings/${file##*/}"
  done
  run_curl --request DELETE "$endpoint/$bucket/large"
}
curl_anonymous() {
  [ "$(curl --silent --output /dev/null --write-out '%{http_code}' "$endpoint/$bucket")" = 403 ]
}

client_curl() {
  new_bucket curl
  # S3 demands x-amz-content-sha256; Debian 12's curl signs it but does not set it.
  (umask 077; printf 'user = "%s:%s"\naws-sigv4 = "aws:amz:%s:s3"\nheader = "x-amz-content-sha256: UNSIGNED-PAYLOAD"\n' \
    "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$region" >"$work/curl.conf")
  # Outside of us-east-1 a bucket needs a document, so that region alone is left to curl.
  if [ "$region" = us-east-1 ]; then
    step curl "create bucket" run_curl --request PUT "$endpoint/$bucket"
  else
    step curl "create bucket" run_aws s3 mb "s3://$bucket"
  fi
  step curl "upload files" curl_upload
  step curl "download files" curl_download
  step curl "list" curl_list
  step curl "large file" curl_large
  step curl "anonymous is refused" curl_anonymous
  step curl "delete" curl_delete
  step curl "remove bucket" run_curl --request DELETE "$endpoint/$bucket"
}

# ---- rclone ------------------------------------------------------------------

# rclone's S3 library fails on a bundle of certificates given by the environment.
run_rclone() {
  RCLONE_CONFIG='' RCLONE_CONFIG_S_TYPE=s3 RCLONE_CONFIG_S_PROVIDER=Other RCLONE_CONFIG_S_ENDPOINT=$endpoint \
    RCLONE_CONFIG_S_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID RCLONE_CONFIG_S_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY \
    RCLONE_CONFIG_S_REGION=$region RCLONE_CONFIG_S_FORCE_PATH_STYLE=true \
    limited env -u AWS_CA_BUNDLE rclone --retries 1 --low-level-retries 1 "$@"
}

rclone_upload() { run_rclone copy --transfers 16 "$work/tree" "s:$bucket/tree" && note "$files files"; }
rclone_download() {
  run_rclone copy --transfers 16 "s:$bucket/tree" "$work/rclone"
  same_tree "$work/rclone"
}
rclone_list() { expect_count "$(run_rclone lsf --recursive --files-only "s:$bucket/tree" | wc -l)"; }
rclone_large() {
  run_rclone copyto --s3-upload-cutoff 16M --s3-chunk-size 8M "$work/large" "s:$bucket/large"
  run_rclone cat "s:$bucket/large" | cmp - "$work/large"
  megabytes "$work/large"
}
rclone_presign() {
  local url
  url=$(run_rclone link --expire 10m "s:$bucket/large")
  limited curl --silent --show-error --fail "$url" | cmp - "$work/large"
}
rclone_delete() {
  run_rclone delete "s:$bucket"
  [ -z "$(run_rclone lsf --recursive "s:$bucket")" ]
}

client_rclone() {
  new_bucket rclone
  step rclone "create bucket" run_rclone mkdir "s:$bucket"
  step rclone "upload tree" rclone_upload
  step rclone "check" run_rclone check "$work/tree" "s:$bucket/tree"
  step rclone "download tree" rclone_download
  step rclone "list" rclone_list
  step rclone "large file by multipart" rclone_large
  step rclone "presign" rclone_presign
  step rclone "delete" rclone_delete
  step rclone "remove bucket" run_rclone rmdir "s:$bucket"
}

# ---- s3cmd -------------------------------------------------------------------

run_s3cmd() { limited s3cmd --config "$work/s3cmd.conf" --no-progress "$@"; }

s3cmd_upload() {
  run_s3cmd put --recursive "$work/tree/" "s3://$bucket/tree/" >/dev/null
  note "$files files"
}
s3cmd_download() {
  mkdir "$work/s3cmd"
  run_s3cmd get --recursive "s3://$bucket/tree/" "$work/s3cmd/" >/dev/null
  same_tree "$work/s3cmd"
}
s3cmd_list() { expect_count "$(run_s3cmd ls --recursive "s3://$bucket/tree/" | wc -l)"; }
s3cmd_large() {
  run_s3cmd put --multipart-chunk-size-mb=8 "$work/large" "s3://$bucket/large" >/dev/null
  run_s3cmd get "s3://$bucket/large" "$work/s3cmd-large" >/dev/null
  cmp "$work/large" "$work/s3cmd-large"
  megabytes "$work/large"
}
s3cmd_delete() {
  run_s3cmd del --recursive --force "s3://$bucket/" >/dev/null
  [ -z "$(run_s3cmd ls --recursive "s3://$bucket/")" ]
}

# s3cmd presigns with Signature Version 2 only, so that is left to the others.
client_s3cmd() {
  new_bucket s3cmd
  local host=${endpoint#*://} https=False
  [ "${endpoint%%:*}" = https ] && https=True
  (umask 077; printf '%s\n' '[default]' "access_key = $AWS_ACCESS_KEY_ID" "secret_key = $AWS_SECRET_ACCESS_KEY" \
    "host_base = $host" "host_bucket = $host" "use_https = $https" "bucket_location = $region" \
    'signature_v2 = False' >"$work/s3cmd.conf")
  step s3cmd "create bucket" run_s3cmd mb "s3://$bucket"
  step s3cmd "upload tree" s3cmd_upload
  step s3cmd "download tree" s3cmd_download
  step s3cmd "list" s3cmd_list
  step s3cmd "large file by multipart" s3cmd_large
  step s3cmd "delete" s3cmd_delete
  step s3cmd "remove bucket" run_s3cmd rb "s3://$bucket"
}

# ---- restic ------------------------------------------------------------------

run_restic() {
  RESTIC_REPOSITORY="s3:$endpoint/$bucket" RESTIC_PASSWORD=test-only limited restic --cache-dir "$work/restic-cache" "$@"
}

restic_backup() {
  (cd "$work" && run_restic backup --quiet tree large)
  note "$files files and 64 MiB"
}
restic_restore() {
  run_restic restore latest --target "$work/restic"
  cmp "$work/large" "$work/restic/large"
  same_tree "$work/restic/tree"
}
restic_list() { run_restic ls latest | grep -c '^/tree/.*\.go$' | grep -vx 0; }

client_restic() {
  new_bucket restic
  step restic "create bucket and repository" run_restic init
  step restic "back up tree and large file" restic_backup
  step restic "list" restic_list
  step restic "check all data" run_restic check --read-data
  step restic "restore" restic_restore
  step restic "forget and prune" run_restic forget --keep-last 1 --prune
  step restic "remove bucket (by aws)" run_aws s3 rb --force "s3://$bucket"
}

# ---- s3fs --------------------------------------------------------------------

s3fs_mount() {
  mkdir -p "$mount"
  limited s3fs "$bucket" "$mount" -o url="$endpoint" -o use_path_request_style -o endpoint="$region" \
    -o passwd_file="$work/s3fs.passwd" -o sigv4 -o multipart_size=10 -o tmpdir="$work"
  mountpoint -q "$mount"
}
s3fs_unmount() { fusermount -u "$mount"; }
s3fs_upload() { limited cp -r "$work/tree" "$mount/tree" && note "$files files"; }
# Mounted anew, nothing can come from a cache.
s3fs_download() {
  s3fs_unmount
  s3fs_mount
  same_tree "$mount/tree"
}
s3fs_list() { expect_count "$(find "$mount/tree" -type f | wc -l)"; }
s3fs_large() {
  limited cp "$work/large" "$mount/large"
  s3fs_unmount
  s3fs_mount
  cmp "$work/large" "$mount/large"
  megabytes "$work/large"
}
# A rename is a copy by CopyObject; of a large file it would be by UploadPartCopy.
s3fs_rename() {
  mv "$mount/tree/strings/strings.go" "$mount/renamed.go"
  cmp "$work/tree/strings/strings.go" "$mount/renamed.go"
  [ ! -e "$mount/tree/strings/strings.go" ]
}
s3fs_delete() {
  limited rm -r "$mount/tree" "$mount/large" "$mount/renamed.go"
  [ -z "$(ls -A "$mount")" ]
  s3fs_unmount
}

client_s3fs() {
  if [ ! -e /dev/fuse ]; then
    printf 'skip s3fs  there is no /dev/fuse\n'
    return
  fi
  new_bucket s3fs
  mount=$work/s3fs
  (umask 077; printf '%s:%s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >"$work/s3fs.passwd")
  step s3fs "create bucket (by aws)" run_aws s3 mb "s3://$bucket"
  step s3fs "mount" s3fs_mount
  step s3fs "upload tree" s3fs_upload
  step s3fs "download tree" s3fs_download
  step s3fs "list" s3fs_list
  step s3fs "large file by multipart" s3fs_large
  step s3fs "rename" s3fs_rename
  step s3fs "delete and unmount" s3fs_delete
  step s3fs "remove bucket (by aws)" run_aws s3 rb "s3://$bucket"
}

# ---- main --------------------------------------------------------------------

install_clients
work=$(mktemp -d) || die "no temporary folder"
trap clean_up EXIT
trap 'exit 130' INT TERM
make_files
isolate

failed=0
for client in ${only//,/ }; do
  broken=0
  "client_$client"
done
((!failed)) || exit 1
printf 'ok all clients (%d s)\n' "$SECONDS"
