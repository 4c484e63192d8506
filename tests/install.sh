#!/bin/sh
# Installs from Debian's packages what the build, the demo and the tests use and what is not there yet.
#
#   install.sh build|demo|test|languages|fuzz ...
#
# What cannot be installed is told and is no error here: the build says what it lacks, tests skip with a reason.
set -eu

wanted=""
want() { # want COMMAND-OR-FILE PACKAGE...
    probe=$1
    shift
    command -v "$probe" > /dev/null 2>&1 || [ -e "$probe" ] || wanted="$wanted $*"
}

for part in "$@"; do
    case $part in
    build)
        want cc gcc libc6-dev
        ;;
    demo)
        want mmdebstrap mmdebstrap
        want skopeo skopeo
        want umoci umoci
        want runc runc
        want jq jq
        ;;
    test)
        want /bin/busybox busybox-static
        want mmdebstrap mmdebstrap
        want skopeo skopeo
        want umoci umoci
        want runc runc
        want docker-registry docker-registry
        want htpasswd apache2-utils
        want /usr/sbin/dockerd docker.io
        want jq jq
        want strace strace
        want pasta passt
        want slirp4netns slirp4netns
        want ip iproute2
        want newuidmap uidmap
        want setpriv util-linux
        want git git
        want ssh-agent openssh-client
        want /usr/sbin/sshd openssh-server
        want bzip2 bzip2
        want xz xz-utils
        want zstd zstd
        want nvim neovim
        ;;
    languages)
        want python3 python3 python3-venv
        python3 -c 'import ensurepip' 2> /dev/null || wanted="$wanted python3-venv"
        want node nodejs
        want npm npm
        want flock util-linux
        ;;
    fuzz)
        want c++ g++
        ;;
    bench)
        want buildah buildah
        want /usr/sbin/dockerd docker.io
        ;;
    *)
        echo "install.sh: unknown part $part" >&2
        exit 2
        ;;
    esac
done

[ -n "$wanted" ] || exit 0
if ! command -v apt-get > /dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
    echo "not installed:$wanted (install them with your package manager; with apt-get and root this is done for you)" >&2
    exit 0
fi
echo "installing:$wanted"
apt-get update -qq || true
# shellcheck disable=SC2086 # a list of packages
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted > /dev/null ||
    echo "could not install all of:$wanted" >&2
