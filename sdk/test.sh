#!/bin/sh
# The SDKs' own tests, each in its language: units without Wasm, packages that fresh projects use, and generated files that are
# what wit/ gives. tests/e2e/languages.rs compares the components that are built here on the way.
#
# usage: sdk/test.sh [--begin]     with --begin tools and components are made in the background, for a call without it later
#
# What lacks its tools is left out, and told.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/target/tools
work=$root/target/languages
say() { printf '%s\n' "sdk/test.sh: $*" >&2; }
mkdir -p "$tools" "$work"

# One at a time: what was begun is waited for.
make_all() {
    lock=
    ! command -v flock > /dev/null || lock="flock $tools/.lock"
    # shellcheck disable=SC2086 # a command and its argument, or nothing
    $lock sh -c '"$0/sdk/tools.sh" && "$0/sdk/build.sh"' "$root"
}

if [ "${1:-}" = --begin ]; then
    make_all > "$work/begun.log" 2>&1 < /dev/null &
    exit 0
fi

python=python3
[ ! -x "$tools/python/bin/python" ] || python=$tools/python/bin/python
test_python() {
    cd "$root/sdk/python"
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=src "$python" -m unittest discover -s tests
}

test_javascript() {
    cd "$root/sdk/javascript"
    node --test test/
}

# TypeScript's view of the API, from a project that has it under its name.
test_types() {
    mkdir -p "$work/types/node_modules/@lapstrake"
    ln -sfn "$root/sdk/javascript" "$work/types/node_modules/@lapstrake/sdk"
    cp "$root/sdk/javascript/test/types.ts" "$work/types"
    cd "$work/types"
    node "$tools/node/node_modules/typescript/bin/tsc" --noEmit --strict --target es2022 --module nodenext types.ts
}

# Natively: what is not called of the generated code, such as the imports, is left out by the linker.
test_c() {
    # shellcheck disable=SC2086 # a command and its first word
    $cc -std=c11 -g -O1 -w -ffunction-sections -fdata-sections -Wl,--gc-sections \
        -I "$root/sdk/c/include" -I "$root/sdk/c/bindings" -o "$work/sdk_test" "$root"/sdk/c/tests/*.c \
        "$root"/sdk/c/src/frontend.c "$root"/sdk/c/src/text.c "$root"/sdk/c/src/graph.c "$root"/sdk/c/src/identity.c "$root"/sdk/c/src/ops.c \
        "$root/sdk/c/bindings/frontend_world.c"
    "$work/sdk_test"
}

# The units, and what Go's own tools say of the SDK, its template and the example.
test_go() {
    for folder in sdk/go examples/frontends/go; do
        cd "$root/$folder"
        "$tools/python/bin/go" test ./...
        "$tools/python/bin/go" vet $("$tools/python/bin/go" list ./... | grep -v internal/bindings)
        unformatted=$("$("$tools/python/bin/go" env GOROOT)/bin/gofmt" -l .)
        [ -z "$unformatted" ] || { echo "gofmt would change $unformatted"; exit 1; }
    done
}

# What is generated and checked in.
test_bindings() {
    "$root/sdk/bindings.sh" --check
}

export GOCACHE="$root/target/go-cache" GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GOWORK=off
cc=$(command -v cc || true)
[ -n "$cc" ] || [ ! -x "$tools/python/bin/python-zig" ] || cc="$tools/python/bin/python-zig cc"
if [ "${1:-}" = --one ]; then
    "test_$2"
    exit 0
fi

make_all
failed=0
# A process of its own, as in a condition no function ends with what fails in it.
run() {
    if "$root/sdk/test.sh" --one "$1" > "$work/test.log" 2>&1; then
        echo "ok      $1"
    else
        echo "FAILED  $1"
        cat "$work/test.log"
        failed=1
    fi
}
if command -v "$python" > /dev/null; then run python; else say "python: python3 is missing"; fi
if command -v node > /dev/null; then run javascript; else say "javascript: node is missing"; fi
if [ -d "$tools/node/node_modules/typescript" ]; then run types; else say "types: typescript is missing"; fi
if [ -n "$cc" ]; then run c; else say "c: a C compiler is missing"; fi
if [ -x "$tools/python/bin/go" ]; then run go; else say "go: go is missing"; fi
run bindings
"$root/sdk/package.sh" || failed=1
exit $failed
