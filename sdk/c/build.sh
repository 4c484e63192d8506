#!/bin/sh
# Compiles a frontend in C to a core module, which `wasm-tools component new` or lapstrake makes a component of.
#
# usage: build.sh OUTPUT SOURCE...      CC: a clang that has wasm32, such as "clang" or "zig cc" [default: the first there is]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
mkdir -p "$(dirname "$out")"
if [ -z "${CC:-}" ]; then
    for candidate in clang 'zig cc' 'python-zig cc' 'python3 -m ziglang cc'; do
        # One that compiles is not enough: clang's linker for WebAssembly is a package of its own.
        # shellcheck disable=SC2086 # a command and its first word
        if echo 'int x;' | $candidate --target=wasm32-freestanding -nostdlib -Wl,--no-entry -x c -o "$out" - 2> /dev/null; then
            CC=$candidate
            break
        fi
    done
fi
# 127: a program is not there.
[ -n "${CC:-}" ] || { echo "build.sh: no C compiler and linker for wasm32" >&2; exit 127; }
# shellcheck disable=SC2086
$CC --target=wasm32-freestanding -std=c11 -Os -Wall -Wextra -ffreestanding -fno-builtin -fno-strict-aliasing -nostdlib -mbulk-memory \
    -I "$here/freestanding" -I "$here/include" -I "$here/bindings" \
    -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=262144 -o "$out" \
    "$@" "$here"/src/*.c "$here/bindings/frontend_world.c" "$here/bindings/frontend_world_component_type.o"
