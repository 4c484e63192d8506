#!/bin/sh
# Fuzzes frontends: `make fuzz`.
#
#   fuzz.sh [SECONDS [FRONTEND...]]
#
# SECONDS, 300 unless given, are shared by the targets of a frontend; all frontends are fuzzed unless some are given. What was
# learnt stays in target/fuzz/FRONTEND and is gone on with; the tests' cases are where it begins. An input that fails is left
# there, in `found`: mend the mistake, and put the input into frontends/FRONTEND/tests/regressions (or make it a case).
#
# Needs a C++ compiler and cargo-fuzz, which is installed if it is missing. No sanitizer is used (frontends have no
# unsafe code), so the stable compiler is enough.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
seconds=${1:-300}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- $(cd "$root/frontends" && ls -d */fuzz | cut -d / -f 1)
tools=$root/target/fuzz/tools
cargo=${CARGO:-cargo}

if ! command -v cargo-fuzz > /dev/null && [ ! -x "$tools/bin/cargo-fuzz" ]; then
    "$cargo" install --quiet --locked --root "$tools" cargo-fuzz
fi
PATH=$tools/bin:$PATH

targets() { sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"$/\1/p' "$root/frontends/$1/fuzz/Cargo.toml"; }

for frontend in "$@"; do
    here=$root/frontends/$frontend/fuzz
    work=$root/target/fuzz/$frontend
    mkdir -p "$work/seeds"
    for input in "$root/tests/cases/$frontend"/*/input; do
        cp "$input" "$work/seeds/$(basename "$(dirname "$input")")"
    done
    for input in "$here"/../tests/regressions/*; do
        [ ! -f "$input" ] || cp "$input" "$work/seeds/"
    done
    count=$(targets "$frontend" | wc -l)
    for target in $(targets "$frontend"); do
        mkdir -p "$work/corpus/$target" "$work/found/$target"
        # Values of Nix hold each other, so that some memory of each run is never given back, as in a component; what a
        # single run may ask for at once is limited as ever.
        # cargo-fuzz sets options of the compiler that only some versions take without this.
        RUSTC_BOOTSTRAP=1 "$cargo" fuzz run --fuzz-dir "$here" --target-dir "$root/target/fuzz/build" -s none "$target" \
            "$work/corpus/$target" "$work/seeds" -- -dict="$here/$frontend.dict" \
            -artifact_prefix="$work/found/$target/" \
            -max_total_time=$((seconds / count)) -timeout=10 -max_len=4096 -rss_limit_mb=8192 -malloc_limit_mb=2048 -print_final_stats=1
    done
done
