#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A ledger of ours, audited by Go's sumdb packages as Debian has them (golang-go,
# golang-golang-x-mod-dev). Without them the test is skipped (exit 77), aloud.
# Arguments: the tool that makes the ledger, x0, the audit's source.
set -eu
gopath=/usr/share/gocode
if ! command -v go >/dev/null || [ ! -d "$gopath/src/golang.org/x/mod/sumdb/tlog" ]; then
	echo "SKIPPED: the ledger was NOT audited by Go: no go or no golang-golang-x-mod-dev" >&2
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" "$work/ledger" >"$work/consistency"
export GOPATH=$gopath GO111MODULE=off GOCACHE="$work/cache" GOFLAGS=
go run "$3" "$work/ledger" "$work/ledger.old" "$work/consistency" "$2"
