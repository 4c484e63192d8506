#!/bin/sh
# Installs the library for C: PREFIX/include/lapstrake and PREFIX/lib/liblapstrake.a, for wasm32. What links it, needs besides
# only the flags that PREFIX/lib/pkgconfig/lapstrake.pc has.
#
# usage: install.sh PREFIX      CC, AR: a clang that has wasm32 and its archiver, such as "zig cc" and "zig ar" [default: clang, llvm-ar]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
prefix=$1
mkdir -p "$prefix"
prefix=$(cd "$prefix" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

headers=$prefix/include/lapstrake
mkdir -p "$headers" "$prefix/lib/pkgconfig"
cp "$here"/include/*.h "$here"/bindings/*.h "$here"/freestanding/*.h "$headers"

flags='--target=wasm32-freestanding -std=c11 -Os -ffreestanding -fno-builtin -fno-strict-aliasing -mbulk-memory'
for source in "$here"/src/*.c "$here/bindings/frontend_world.c"; do
    # shellcheck disable=SC2086 # a command and its words
    ${CC:-clang} $flags -nostdlib -I "$headers" -c -o "$work/$(basename "$source" .c).o" "$source"
done
rm -f "$prefix/lib/liblapstrake.a"
# shellcheck disable=SC2086
${AR:-llvm-ar} rcs "$prefix/lib/liblapstrake.a" "$work"/*.o "$here/bindings/frontend_world_component_type.o"

cat > "$prefix/lib/pkgconfig/lapstrake.pc" << END
prefix=$prefix

Name: lapstrake
Description: Write a Lapstrake frontend in C
Version: 0.1.0
Cflags: $flags -I\${prefix}/include/lapstrake
Libs: -nostdlib -L\${prefix}/lib -llapstrake -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=262144
END
