#!/bin/sh
# Builds the example frontend of every language but Rust (frontends/build.sh has that) to target/frontends/languages, with the
# tools that sdk/tools.sh installs. A language whose tools are missing is left out, and told. What is up to date stays.
#
# usage: sdk/build.sh [LANGUAGE...]
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/target/tools
out=$root/target/frontends/languages
say() { printf '%s\n' "sdk/build.sh: $*" >&2; }

# Whether the component of a language is newer than all that it is made of.
fresh() {
    [ -e "$out/$1.wasm" ] &&
        [ -z "$(find "$root/sdk/$1" "$root/examples/frontends/$1" "$root/wit" "$0" -newer "$out/$1.wasm" -type f | head -n 1)" ]
}

build_python() {
    [ -x "$tools/python/bin/componentize-py" ] || { say "python: componentize-py is missing"; return 1; }
    cd "$root/examples/frontends/python"
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$root/sdk/python/src "$tools/python/bin/python" -m lapstrake steps -o "$out/python.wasm"
}

build_javascript() {
    [ -d "$tools/node/node_modules/componentize-qjs" ] || { say "javascript: componentize-qjs is missing"; return 1; }
    # As npm would install them, without a registry.
    work=$root/target/languages/javascript
    rm -rf "$work"
    mkdir -p "$work/node_modules/@lapstrake"
    cp "$root"/examples/frontends/javascript/*.js "$root"/examples/frontends/javascript/package.json "$work"
    ln -s "$root/sdk/javascript" "$work/node_modules/@lapstrake/sdk"
    for package in componentize-qjs rolldown; do
        ln -s "$tools/node/node_modules/$package" "$work/node_modules/$package"
    done
    cd "$work"
    node "$root/sdk/javascript/bin/componentize.js" component.js "$out/javascript.wasm"
}

build_c() {
    [ -x "$tools/python/bin/python-zig" ] || { say "c: zig is missing"; return 1; }
    mkdir -p "$root/target/languages"
    cd "$root/examples/frontends/c"
    CC="$tools/python/bin/python-zig cc" "$root/sdk/c/build.sh" "$root/target/languages/c.wasm" ./*.c
    "$tools/python/bin/wasm-tools" component new "$root/target/languages/c.wasm" -o "$out/c.wasm"
}

build_go() {
    [ -x "$tools/python/bin/go" ] || { say "go: go is missing"; return 1; }
    module=$root/target/languages/go
    mkdir -p "$root/target/languages"
    cd "$root/examples/frontends/go"
    # As a frontend's project has it (sdk/go/template). No network: the SDK needs no other module.
    GOOS=wasip1 GOARCH=wasm GOWORK=off GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GOCACHE=$root/target/go-cache \
        "$tools/python/bin/go" build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w' -o "$module.bare.wasm" .
    "$tools/python/bin/wasm-tools" component embed "$root/wit" --world frontend-world "$module.bare.wasm" -o "$module.wasm"
    "$tools/python/bin/wasm-tools" component new "$module.wasm" \
        --adapt "$root/sdk/go/adapter/wasi_snapshot_preview1.wasm" -o "$out/go.wasm"
}

mkdir -p "$out"
for language in ${*:-python javascript c go}; do
    if fresh "$language"; then
        continue
    elif (build_"$language") > "$out/$language.log" 2>&1; then
        printf '%8d bytes  %s\n' "$(wc -c < "$out/$language.wasm")" "$out/$language.wasm"
    else
        rm -f "$out/$language.wasm"
        say "$language is left out:"
        cat "$out/$language.log" >&2
    fi
done
