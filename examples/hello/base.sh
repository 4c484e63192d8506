#!/bin/sh
# Makes the base image of examples/hello from Debian's packages: an OCI image layout at the folder given.
#
#   base.sh LAPSTRAKE FOLDER
set -eu
lapstrake=$1
folder=$2
[ -f "$folder/index.json" ] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --variant=minbase --include=gcc,libc6-dev \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$work/debian.tar"
printf '%s\n' 'FROM scratch' 'ADD debian.tar /' 'CMD ["/bin/bash"]' > "$work/Dockerfile"
mkdir -p "$(dirname "$folder")"
"$lapstrake" build "$work" -t debian:bookworm \
    -o "type=oci,tar=false,compression=zstd,compression-level=1,dest=$folder"
