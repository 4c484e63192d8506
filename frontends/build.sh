#!/bin/sh
# Builds the frontends of this tree, the example and the tests' guests to Wasm components.
#
# usage: frontends/build.sh [OUT_DIR [NAME...]]
#        frontends/build.sh --test    runs the own tests of the projects outside of the workspace, such as the examples
#
# OUT_DIR is target/frontends unless given. NAME is a component as it is called there, without `.wasm`: `dockerfile`,
# `examples/hello`, `guests/rust`; all of them unless given. What is up to date is left alone.
#
# The target wasm32-unknown-unknown comes from rustup. Where that cannot download it, Debian's second Rust toolchain
# (rustc-web) compiles the standard library from source. WASM_TOOLCHAIN=rustup or =debian leaves no choice.
#
# The components are a function of the sources, the lock file and the compiler: a checkout elsewhere gives the same bytes.
# (Not so for a project outside of the workspace, such as the example: Cargo's symbol names hold the path of what such a
# project depends on.)
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
test=
if [ "${1:-}" = --test ]; then
    test=1
    shift
fi
out=${1:-$root/target/frontends}
[ $# -eq 0 ] || shift
target_dir=$root/target/wasm
triple=wasm32-unknown-unknown

say() { printf '%s\n' "frontends/build.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

# ---- which compiler ----

rustup_has_target() {
    [ -d "$(rustc --print sysroot 2> /dev/null)/lib/rustlib/$triple/lib" ]
}

use_rustup() {
    command -v rustc > /dev/null || return 1
    if ! rustup_has_target; then
        command -v rustup > /dev/null || return 1
        timeout 120 rustup target add $triple > /dev/null 2>&1 || return 1
        rustup_has_target || return 1
    fi
    cargo=${CARGO:-cargo}
    std_flags=
    compiler="rustup's $(rustc --version)"
}

debian_is_there() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] &&
        [ -f "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml" ]
}

debian_install() {
    command -v apt-get > /dev/null && [ "$(id -u)" -eq 0 ] || return 1
    say "installing Debian's $*"
    for update in no yes; do
        [ $update = no ] || apt-get -qq update > /dev/null 2>&1 || return 1
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" > /dev/null 2>&1 && return 0
    done
    return 1
}

# rust-lld of a compiler, else wasm-ld of LLVM.
wasm_linker() {
    for lld in "$(rustc --print sysroot 2> /dev/null)"/lib/rustlib/*/bin/rust-lld \
        /usr/lib/rustlib/*/bin/rust-lld /usr/bin/wasm-ld /usr/bin/wasm-ld-*; do
        if [ -x "$lld" ]; then
            printf '%s\n' "$lld"
            return 0
        fi
    done
    return 1
}

use_debian() {
    debian_is_there || debian_install rustc-web cargo-web rust-web-src || return 1
    debian_is_there || return 1
    linker=$(wasm_linker) || { debian_install lld && linker=$(wasm_linker); } || return 1
    cargo=/usr/bin/cargo
    # The sources of std belong to this compiler; that it is a stable one is no reason not to build them.
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker"
    std_flags='-Z build-std=std,panic_abort'
    compiler="Debian's $(/usr/bin/rustc --version)"
}

case ${WASM_TOOLCHAIN:-} in
    rustup) use_rustup || fail "rustup cannot give the target $triple" ;;
    debian) use_debian || fail "Debian's rustc-web, cargo-web and rust-web-src are not there and cannot be installed" ;;
    '') use_rustup || use_debian || fail "there is no compiler for $triple. Do one of these:
    rustup target add $triple
    apt-get install --no-install-recommends rustc-web cargo-web rust-web-src    (Debian 12, as root)" ;;
    *) fail "WASM_TOOLCHAIN is ${WASM_TOOLCHAIN}, not rustup or debian" ;;
esac

# ---- what to build: name, directory, of the workspace or not ----

# Every Cargo.toml below the three folders, by the name of its component.
list() {
    for manifest in "$root"/frontends/*/Cargo.toml; do printf '%s %s\n' "$(name "$manifest")" "$manifest"; done
    for manifest in "$root"/examples/frontends/*/Cargo.toml; do printf 'examples/%s %s\n' "$(name "$manifest")" "$manifest"; done
    for manifest in "$root"/tests/guests/*/Cargo.toml; do printf 'guests/%s %s\n' "$(name "$manifest")" "$manifest"; done
}
name() { basename "$(dirname "$1")"; }
package() { sed -n 's/^name = "\(.*\)"$/\1/p' "$1" | head -n 1; }
standalone() { grep -q '^\[workspace\]' "$1"; }

list=$(list)
names=${*:-$(printf '%s\n' "$list" | cut -d ' ' -f 1)}
manifest_of() {
    printf '%s\n' "$list" | while read -r known manifest; do
        [ "$known" != "$1" ] || printf '%s\n' "$manifest"
    done
}

# ---- building ----

cargo_home=${CARGO_HOME:-$HOME/.cargo}
unit=$(printf '\037')
flags="--remap-path-prefix=$cargo_home=/cargo$unit--remap-path-prefix=$root=/lapstrake"

# Compiles for Wasm. The first words are Cargo's.
compile() {
    # shellcheck disable=SC2086
    CARGO_ENCODED_RUSTFLAGS="$flags" CARGO_INCREMENTAL=0 CARGO_TARGET_DIR="$target_dir" \
        "$cargo" build --quiet --locked --target $triple $std_flags "$@"
}

# Runs a project's tests on this machine. The macros are those that were compiled for the components: same compiler, same
# profile; what differs is said in flags for the target alone.
native=$(rustc -vV | sed -n 's/^host: //p')
run_tests() {
    say "testing $1"
    CARGO_ENCODED_RUSTFLAGS="-Clto=off$unit-Copt-level=0" CARGO_INCREMENTAL=0 \
        CARGO_TARGET_DIR="$target_dir" "$cargo" test --quiet --tests --release --locked --target "$native" --manifest-path "$1" < /dev/null
}

if [ -n "$test" ]; then
    printf '%s\n' "$list" | while read -r name manifest; do
        ! standalone "$manifest" || [ ! -d "$(dirname "$manifest")/tests" ] || run_tests "$manifest"
    done
    # The example once more, with the SDK as a crate: sdk/package.sh.
    packaged=$root/target/packages/rust/hello/Cargo.toml
    [ ! -f "$packaged" ] || run_tests "$packaged"
    exit 0
fi

packages=
for name in $names; do
    manifest=$(manifest_of "$name")
    [ -n "$manifest" ] || fail "there is no frontend $name; there are: $(printf '%s\n' "$list" | cut -d ' ' -f 1 | tr '\n' ' ')"
    standalone "$manifest" || packages="$packages -p $(package "$manifest")"
done

say "compiling with $compiler"
CARGO_TARGET_DIR="$target_dir" "$cargo" build --quiet --locked --manifest-path "$root/Cargo.toml" \
    --profile tool -p lapstrake-componentize
# One call for all, as they share most of what they are made of.
# shellcheck disable=SC2086
[ -z "$packages" ] || compile --manifest-path "$root/Cargo.toml" --profile wasm $packages

for name in $names; do
    manifest=$(manifest_of "$name")
    module=$(package "$manifest" | tr - _).wasm
    if standalone "$manifest"; then
        compile --manifest-path "$manifest" --release
        module=$target_dir/$triple/release/$module
    else
        module=$target_dir/$triple/wasm/$module
    fi
    "$target_dir/tool/lapstrake-componentize" "$module" "$out/$name.wasm"
    printf '%8d bytes  %s\n' "$(wc -c < "$out/$name.wasm")" "$out/$name.wasm"
done
