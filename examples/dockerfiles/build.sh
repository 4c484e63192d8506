#!/bin/sh
# Builds the examples for real, with bases made here in place of the public images: `make examples`.
#
#   build.sh LAPSTRAKE [EXAMPLE...]
#
# Bases come from Debian's packages (mmdebstrap makes the first one), so this needs the network; so do examples that
# install packages. What this machine needs to reach registries is taken from the environment, as a person would hand it
# in: proxies as build arguments, and the file SSL_CERT_FILE names as a secret.
set -eu

lapstrake=$(realpath "$1")
shift
here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$here/../.." && pwd)/target/dockerfiles
mkdir -p "$out"
LAPSTRAKE_ROOT=${LAPSTRAKE_ROOT:-$out/state}
export LAPSTRAKE_ROOT

[ $# -gt 0 ] || set -- $(cd "$here" && for folder in */Dockerfile; do dirname "$folder"; done | grep -v '^bases$')

# ---- what this machine needs ----

machine=
for name in HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL NPM_CONFIG_REGISTRY GOPROXY; do
    if [ -n "$(printenv $name || true)" ]; then machine="$machine --build-arg $name"; fi
done
certificates=${SSL_CERT_FILE:-/dev/null}
# A build may always write over it.
[ -s "$certificates" ] || { certificates=$out/no-certificates; : > "$certificates"; }

say() { printf '\n== %s\n' "$*"; }
# shellcheck disable=SC2086 # options
build() { "$lapstrake" build $machine --secret "id=certificates,src=$certificates" --progress plain "$@"; }

# ---- bases ----

debian() {
    [ -f "$out/bases/debian/index.json" ] && return
    say "the base debian, from Debian's packages"
    work=$(mktemp -d)
    mmdebstrap --variant=minbase --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$work/debian.tar" > "$work/log" 2>&1 || {
        cat "$work/log" >&2
        exit 1
    }
    printf '%s\n' 'FROM scratch' 'ADD debian.tar /' 'CMD ["/bin/bash"]' > "$work/Dockerfile"
    "$lapstrake" build "$work" -q -t debian:latest -o "type=oci,tar=false,compression=zstd,compression-level=1,dest=$out/bases/debian"
    rm -rf "$work"
}

# base TARGET: makes it, if it is not there.
base() {
    debian
    [ -f "$out/bases/$1/index.json" ] && return
    say "the base $1"
    build "$here/bases" --target "$1" --build-context "debian=oci-layout://$out/bases/debian:latest" -t "$1:latest" \
        -o "type=oci,tar=false,compression=zstd,compression-level=1,dest=$out/bases/$1"
}

# What stands for a public image.
stand_in() {
    case $1 in
    debian:*) echo certificates ;;
    python:*) echo python ;;
    node:*) echo node ;;
    golang:*) echo golang ;;
    rust:*) echo rust ;;
    eclipse-temurin:*) echo jdk ;;
    gcc:*) echo gcc ;;
    nginx:*) echo nginx ;;
    gcr.io/distroless/static*) echo static ;;
    gcr.io/distroless/cc*) echo cc ;;
    busybox:*) echo busybox ;;
    *) return 1 ;;
    esac
}

# ---- examples ----

failed=
for example in "$@"; do
    replaced=
    for image in $(cat "$here/$example/images"); do
        target=$(stand_in "$image") || { say "nothing stands for $image" && exit 1; }
        base "$target"
        replaced="$replaced --build-context $image=oci-layout://$out/bases/$target:latest"
    done
    more=
    [ ! -f "$here/$example/options" ] || more=$(cat "$here/$example/options")
    say "$example"
    # shellcheck disable=SC2086 # options
    (cd "$here/$example" && build . $replaced $more -o "type=oci,dest=$out/$example.tar") || failed="$failed $example"
done
[ -z "$failed" ] || { say "failed:$failed" && exit 1; }
say "all are built"
