#!/bin/sh
# Writes again what is generated from wit/ and checked in, so that users of the SDKs need no generator.
#
# usage: sdk/bindings.sh [--check]     with --check nothing is written: it fails where something differs
#
# Needs the tools of sdk/tools.sh. What needs a tool that is missing is left out, and told.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/target/tools/python/bin
check=${1:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
say() { printf '%s\n' "sdk/bindings.sh: $*" >&2; }

# Puts a generated file or folder in its place, or compares.
put() {
    if [ "$check" != --check ]; then
        rm -rf "$2"
        cp -R "$1" "$2"
    elif ! diff -r -x __pycache__ "$1" "$2" > "$work/diff"; then
        say "$2 is not what wit/ gives; run sdk/bindings.sh"
        head -n 20 "$work/diff" >&2
        failed=1
    fi
}

for copy in rust/wit python/src/lapstrake/wit javascript/wit go/wit; do
    mkdir -p "$root/sdk/$copy"
    put "$root/wit/lapstrake.wit" "$root/sdk/$copy/lapstrake.wit"
done

if [ -x "$tools/componentize-py" ]; then
    "$tools/componentize-py" -d "$root/wit" -w frontend-world bindings "$work/python" > /dev/null
    bindings=$root/sdk/python/src/lapstrake/_bindings
    put "$work/python/wit_world" "$bindings/wit_world"
    put "$work/python/componentize_py_types.py" "$bindings/componentize_py_types.py"
else
    say "python: componentize-py is missing"
fi

if [ -x "$tools/wasm-tools" ] && command -v node > /dev/null; then
    "$tools/wasm-tools" component wit --json "$root/wit" | node "$root/sdk/javascript/tools/contract.js" > "$work/contract.d.ts"
    put "$work/contract.d.ts" "$root/sdk/javascript/src/contract.d.ts"
else
    say "javascript: wasm-tools or node is missing"
fi

# cargo install wit-bindgen-cli --version 0.63.0 --no-default-features --features c,go
generator=$(command -v wit-bindgen || echo "$root/target/tools/wit-bindgen/bin/wit-bindgen")
if [ -x "$generator" ]; then
    "$generator" c "$root/wit" --world frontend-world --out-dir "$work/c" > /dev/null 2>&1
    put "$work/c" "$root/sdk/c/bindings"
else
    say "c: wit-bindgen is missing"
fi

# The bindings' own small runtime is in the SDK, so that a module of it needs no other.
sdk=$root/sdk/go
if [ -x "$generator" ] && [ -x "$tools/go" ]; then
    module=github.com/lapstrake/lapstrake/sdk/go
    "$generator" go "$root/wit" --world frontend-world --out-dir "$work/go" --pkg-name $module/internal/bindings > /dev/null 2>&1
    find "$work/go" -name '*.go' -exec sed -i "s|go.bytecodealliance.org/pkg/wit/|$module/internal/wit/|" {} +
    "$("$tools/go" env GOROOT)/bin/gofmt" -w "$work/go"
    put "$work/go/imports" "$sdk/internal/bindings/imports"
    put "$work/go/exports/wit_exports" "$sdk/internal/bindings/exports/wit_exports"
else
    say "go: wit-bindgen or go is missing"
fi
if [ -x "$tools/go" ]; then
    (cd "$sdk" && GOFLAGS=-mod=mod GOPROXY=off GOCACHE=$root/target/go-cache "$tools/go" run ./internal/contract internal/bindings/imports) \
        > "$work/contract.go"
    put "$work/contract.go" "$sdk/contract.go"
fi

if [ -x "$tools/wasm-tools" ]; then
    mkdir -p "$work/adapter/deps/lapstrake"
    cp "$root/sdk/go/adapter/adapter.wit" "$work/adapter"
    cp "$root/wit/lapstrake.wit" "$work/adapter/deps/lapstrake"
    adapter=$root/sdk/go/adapter/wasi_snapshot_preview1
    "$tools/wasm-tools" component embed "$work/adapter" --world adapter "$adapter.wat" -o "$work/adapter.wasm"
    put "$work/adapter.wasm" "$adapter.wasm"
else
    say "go: wasm-tools is missing"
fi

exit $failed
