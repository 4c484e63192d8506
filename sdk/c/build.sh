#!/bin/sh
# Compiles a frontend in C to a core module, which `wasm-tools component new` or lapstrake makes a component of.
#
# usage: build.sh OUTPUT SOURCE...      CC: a clang that has wasm32, such as "clang" or "zig cc" [default: the first there is]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
if [ -z "${CC:-}" ]; then
    for candidate in clang 'zig cc' 'python-zig cc' 'python3 -m ziglang cc'; do
        # shellcheck disable=SC2086 # a command and its first word
        if echo 'int x;' | $candidate --target=wasm32-freestanding -x c -c -o /dev/null - 2> /dev/null; then
            CC=$candidate
            break
        fi
    done
fi
[ -n "${CC:-}" ] || { echo "build.sh: no C compiler for wasm32: install clang and lld, or zig (pip install ziglang)" >&2; exit 1; }
mkdir -p "$(dirname "$out")"
# shellcheck disable=SC2086
$CC --target=wasm32-freestanding -std=c11 -Os -Wall -Wextra -ffreestanding -fno-builtin -fno-strict-aliasing -nostdlib -mbulk-memory \
    -I "$here/freestanding" -I "$here/include" -I "$here/bindings" \
    -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=262144 -o "$out" \
    "$@" "$here"/src/*.c "$here/bindings/frontend_world.c" "$here/bindings/frontend_world_component_type.o"
