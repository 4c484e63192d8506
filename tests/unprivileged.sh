#!/bin/sh
# Runs the tests again as users without privilege: one with subordinate ids, one without, and the crates' own tests in
# user namespaces of both kinds too. The users are made where they are missing.
#
#   unprivileged.sh PROFILE        debug or release: which of the compiled tests
#
# What cannot be done is told and is no error here.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
profile=$1
case $profile in release) flag=--release ;; *) flag= ;; esac

skip() {
    echo "unprivileged tests: skipped: $*" >&2
    exit 0
}

[ "$(id -u)" = 0 ] || skip "only root can become other users; this user's own tests were run by cargo"
for program in setpriv unshare useradd newuidmap; do
    command -v "$program" > /dev/null 2>&1 || skip "$program is not installed (packages util-linux, passwd, uidmap)"
done

with=lapstrake-ids
without=lapstrake-one
for user in $with $without; do
    id "$user" > /dev/null 2>&1 || useradd --create-home --shell /bin/sh "$user" || skip "cannot make the user $user"
done
# Whatever useradd gives by itself here: one of them has ids, the other none.
sed -i "/^$without:/d" /etc/subuid /etc/subgid 2> /dev/null || true
for file in /etc/subuid /etc/subgid; do
    grep -q "^$with:" "$file" 2> /dev/null && continue
    start=$(awk -F: 'BEGIN { n = 100000 } $2 + $3 > n { n = $2 + $3 } END { print n }' "$file" 2> /dev/null || echo 100000)
    echo "$with:$start:65536" >> "$file"
done

# Their temporary files, which go with it.
temporary=$(mktemp -d /tmp/lapstrake-users-XXXXXX)
chmod 1777 "$temporary"
trap 'rm -rf "$temporary"' EXIT

as() {
    user=$1
    shift
    (
        cd "/home/$user" 2> /dev/null || cd /tmp
        # Nothing of root's environment but where programs are.
        setpriv --reuid "$user" --regid "$user" --init-groups env -i PATH="$PATH" HOME="/home/$user" USER="$user" \
            TMPDIR="$temporary" LAPSTRAKE="$root/target/$profile/lapstrake" "$@"
    )
}

# As udev has it: what the programs for networks open, as any user.
[ ! -c /dev/net/tun ] || chmod 0666 /dev/net/tun

as $without test -x "$root/target/$profile/lapstrake" || skip "other users cannot reach $root/target/$profile"

# The programs that cargo has compiled, of the crates that do something with files. Of the whole workspace: for a part of it
# other features of dependencies would be chosen, and most of them, wasmtime included, compiled again.
# shellcheck disable=SC2086 # no flag is no argument
tests=$(cargo test $flag --locked --workspace --no-run --message-format json 2> /dev/null |
    sed -n '/"overflow_checks":[a-z]*,"test":true}/s#.*"manifest_path":"'"$root"'/\(host/store\|host/ops\|host/export\|host/lapstrake\|tests\)/Cargo.toml".*"executable":"'"$root"'/\([^"]*\)".*#\2#p')
[ -n "$tests" ] || { echo "unprivileged tests: no compiled tests were found" >&2; exit 1; }

# Where tests that need a real file system put theirs.
mkdir -p target/tmp
chmod 1777 target/tmp

failed=0
run() {
    echo "== as $*"
    as "$@" || { failed=1; echo "FAILED: as $*" >&2; }
}
for test in $tests; do
    case $test in
    */e2e-*)
        # The program finds its own way into a namespace. What frontends, records and servers are asked is the same with
        # one id as with several. These users have no compilers, for the tutorial and other languages.
        run $with "$root/$test" --quiet --skip frontend::tutorial::the_tutorial --skip languages::
        # shellcheck disable=SC2046 # a word each
        run $without "$root/$test" --quiet $(printf -- '--skip %s:: ' \
            bad_frontends bad_input credentials frontend git git_addresses history http languages llb progress timings why)
        ;;
    */exec-*)
        # Many of these compare with what root may do without a sandbox, so that they need root.
        run $without "$root/$test" --quiet
        run $with unshare --user --map-root-user --map-auto "$root/$test" --quiet basics:: mounts:: lifecycle:: \
            output:: escape::links the_program_that_starts
        ;;
    */lapstrake_ops-* | */worker-* | */registries-* | */layouts-* | */cli-* | */lapstrake-*)
        run $without "$root/$test" --quiet
        ;;
    *)
        run $without "$root/$test" --quiet
        run $without unshare --user --map-root-user "$root/$test" --quiet
        run $with unshare --user --map-root-user --map-auto "$root/$test" --quiet
        ;;
    esac
done
exit $failed
