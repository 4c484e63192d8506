#!/bin/sh
# Fuzzes the Nix frontend.
#
#   run.sh [SECONDS [TARGET...]]
#
# SECONDS, 300 unless given, are shared by the targets. What was learnt stays in target/fuzz-nix and is gone on with; the
# tests' cases are where it begins. An input that fails is left in target/fuzz-nix: mend the mistake, and put the input into
# frontends/nix/tests/tables.
#
# Needs a C++ compiler and cargo-fuzz, which is installed if it is missing. No sanitizer is used (the frontend has no
# unsafe code), so the stable compiler is enough.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
seconds=${1:-300}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- frontend
work=$root/target/fuzz-nix
cargo=${CARGO:-cargo}

if ! command -v cargo-fuzz > /dev/null && [ ! -x "$work/tools/bin/cargo-fuzz" ]; then
    "$cargo" install --quiet --locked --root "$work/tools" cargo-fuzz
fi
PATH=$work/tools/bin:$PATH

mkdir -p "$work/seeds"
for input in "$root"/tests/cases/nix/*/input; do
    cp "$input" "$work/seeds/$(basename "$(dirname "$input")")"
done

for target in "$@"; do
    mkdir -p "$work/corpus/$target" "$work/found/$target"
    # cargo-fuzz sets options of the compiler that only some versions take without this.
    RUSTC_BOOTSTRAP=1 "$cargo" fuzz run --fuzz-dir "$here" --target-dir "$work/build" -s none "$target" \
        "$work/corpus/$target" "$work/seeds" -- -dict="$here/nix.dict" -artifact_prefix="$work/found/$target/" \
        -max_total_time=$((seconds / $#)) -timeout=10 -max_len=4096 -print_final_stats=1
done
