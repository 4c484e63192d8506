#!/bin/sh
# Builds the benchmark program and runs it: whole builds beside the peers that are installed. Called by `make bench`.
#
#   run.sh LAPSTRAKE [--without=docker] [--without=buildah] [WORD...]     only the rows whose name has one of the words
set -eu
cargo build --release --locked -q -p lapstrake-tests --bin lapstrake-bench
exec target/release/lapstrake-bench "$@"
