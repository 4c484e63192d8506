#!/bin/sh
# Builds examples/hello with Lapstrake and shows what came out. Called by `make demo`.
#
#   demo.sh LAPSTRAKE
set -eu
lapstrake=$1
here=$(dirname "$0")
out=target/demo
mkdir -p "$out"
# Unless the caller has a state directory, the demo has one of its own, which `make clean` removes.
LAPSTRAKE_ROOT=${LAPSTRAKE_ROOT:-$PWD/$out/state}
export LAPSTRAKE_ROOT

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

say "The base image, from Debian's packages"
sh "$here/hello/base.sh" "$lapstrake" "$out/debian"
skopeo inspect --format '{{.Os}}/{{.Architecture}}, {{len .Layers}} layer(s)' "oci:$out/debian:bookworm"

say "The first build"
build() {
    "$lapstrake" build "$here/hello" --build-context "debian=oci-layout://$out/debian:bookworm" \
        --build-arg "GREETING=Good morning" -t hello:demo "$@"
}
build --progress plain -o "type=oci,dest=$out/hello.tar"

say "The same again: nothing runs"
start=$(date +%s%N)
build --progress plain -o "type=oci,dest=$out/hello.tar"
end=$(date +%s%N)
echo "took $(( (end - start) / 1000000 )) ms"

say "What came out: $out/hello.tar"
ls -l "$out/hello.tar"
skopeo inspect "oci-archive:$out/hello.tar" | jq -c '{Digest, Architecture, Os, Labels, Env}'
echo "layers, sizes in bytes:"
skopeo inspect --raw "oci-archive:$out/hello.tar" | jq -c '.layers[] | {mediaType, digest, size}'
echo "config and history:"
skopeo inspect --config "oci-archive:$out/hello.tar" |
    jq '{config, rootfs, history: [.history[] | {created_by, empty_layer}]}'

say "A container started from it"
rm -rf "$out/bundle" "$out/layout"
mkdir -p "$out/layout"
tar -C "$out/layout" -xf "$out/hello.tar"
umoci unpack --image "$out/layout:demo" "$out/bundle"
# umoci's bundle asks for a terminal, which a demo has not.
jq '.process.terminal = false' "$out/bundle/config.json" > "$out/bundle/config.tmp"
mv "$out/bundle/config.tmp" "$out/bundle/config.json"
runc run --bundle "$out/bundle" "lapstrake-demo-$$" < /dev/null
cat "$out/bundle/rootfs/about/built-on.txt"
