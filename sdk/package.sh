#!/bin/sh
# Packages the SDKs as their ecosystems expect, to target/packages: a crate, a wheel, an npm package, a Go module, a C library
# with headers.
# Each is then used by a fresh project that has nothing but the package, without a network.
#
# usage: sdk/package.sh [rust|python|javascript|go|c ...]
#
# Needs the tools of sdk/tools.sh; the crate is only listed and unpacked here, frontends/build.sh --test compiles with it. What
# lacks its tools is left out, and told.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/target/tools
out=$root/target/packages
log=$out/log
say() { printf '%s\n' "sdk/package.sh: $*" >&2; }
fail() { say "$*"; exit 1; }
mkdir -p "$out"

# A fresh folder for a project.
project() {
    rm -rf "$out/$1"
    mkdir -p "$out/$1"
    cd "$out/$1"
}

# A crate that the example of a first frontend is compiled with.
package_rust() {
    command -v cargo > /dev/null || { say "rust: cargo is missing"; return 0; }
    CARGO_TARGET_DIR=$out/cargo cargo package --quiet --offline --locked --no-verify --allow-dirty \
        --manifest-path "$root/sdk/rust/Cargo.toml"
    project rust
    tar -xzf "$out"/cargo/package/lapstrake-sdk-*.crate
    mv lapstrake-sdk-* sdk
    [ -f sdk/wit/lapstrake.wit ] || fail "rust: the contract is not in the crate"
    [ ! -e sdk/template ] || fail "rust: the template is in the crate"
    cp -R "$root/examples/frontends/hello" hello
    sed -i 's#path = "[^"]*"#path = "../sdk"#' hello/Cargo.toml
    cp "$out"/cargo/package/lapstrake-sdk-*.crate "$out"
}

# A wheel in a fresh virtual environment, whose modules the SDK's tests then are about.
package_python() {
    [ -x "$tools/python/bin/pip" ] || { say "python: pip is missing"; return 0; }
    project python
    # setuptools leaves its files beside what it packages.
    cp -R "$root/sdk/python" source
    "$tools/python/bin/pip" --quiet --disable-pip-version-check wheel --no-index --no-deps --no-build-isolation \
        --wheel-dir "$out" ./source
    python3 -m venv fresh
    fresh/bin/pip --quiet --disable-pip-version-check install --no-index --no-deps "$out"/lapstrake-*.whl
    cp -R "$root/sdk/python/tests" tests
    PYTHONDONTWRITEBYTECODE=1 fresh/bin/python -m unittest discover -s tests
    files=$(fresh/bin/python -c 'import lapstrake; print(*lapstrake.__path__)')
    case $files in "$out"/python/fresh/*) ;; *) fail "python: the tests were about $files" ;; esac
    for file in py.typed wit/lapstrake.wit; do
        [ -f "$files/$file" ] || fail "python: $file is not in the wheel"
    done
    fresh/bin/python -m lapstrake --help
}

# A tarball in a fresh project: its modules, its types and its program.
package_javascript() {
    command -v npm > /dev/null || { say "javascript: npm is missing"; return 0; }
    project javascript
    tarball=$(cd "$root/sdk/javascript" && npm pack --silent --pack-destination "$out")
    echo '{"private":true,"type":"module"}' > package.json
    npm install --silent --offline --no-audit --no-fund "$out/$tarball"
    sed "s#'../src/index.js'#'@lapstrake/sdk'#" "$root/sdk/javascript/test/sdk.test.js" > sdk.test.js
    node --test sdk.test.js
    # It imports the host, so that it can be found but not loaded here.
    node --input-type=module -e "process.exit(import.meta.resolve('@lapstrake/sdk/component').endsWith('src/component.js') ? 0 : 1)"
    [ -x node_modules/.bin/lapstrake-componentize ] || fail "javascript: no lapstrake-componentize"
    if [ -d "$tools/node/node_modules/typescript" ]; then
        cp "$root/sdk/javascript/test/types.ts" .
        node "$tools/node/node_modules/typescript/bin/tsc" --noEmit --strict --target es2022 --module nodenext types.ts
    else
        say "javascript: typescript is missing, the types are not checked"
    fi
}

# A module as a proxy for modules serves it, which the template is compiled against.
package_go() {
    [ -x "$tools/python/bin/go" ] || { say "go: go is missing"; return 0; }
    project go
    module=github.com/lapstrake/lapstrake/sdk/go version=v0.1.0
    served=$out/go/proxy/$module/@v
    mkdir -p "$served" "source/$(dirname $module)"
    cp -R "$root/sdk/go" "source/$module@$version"
    cp "$root/LICENSE" "source/$module@$version"
    # Go takes no entries of folders.
    (cd source && find github.com -type f | LC_ALL=C sort | python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as out:
    for name in sys.stdin.read().splitlines():
        out.write(name)' "$served/$version.zip")
    cp "$root/sdk/go/go.mod" "$served/$version.mod"
    echo "{\"Version\":\"$version\"}" > "$served/$version.info"
    cp "$served/$version.zip" "$out/lapstrake-go.zip"
    sed 's/{{name}}/greeting/g' "$root/sdk/go/template/frontend.go" > frontend.go
    printf 'module example.org/greeting\n\ngo 1.27\n\nrequire %s %s\n' $module $version > go.mod
    export GOPROXY="file://$out/go/proxy" GOSUMDB=off GOFLAGS='-mod=mod -modcacherw' GOMODCACHE="$out/go/modules" GOTOOLCHAIN=local GOWORK=off \
        GOCACHE="$root/target/go-cache"
    GOOS=wasip1 GOARCH=wasm "$tools/python/bin/go" build -buildmode=c-shared -trimpath -buildvcs=false -ldflags='-s -w' -o module.wasm .
    files=$("$tools/python/bin/go" list -m -f '{{.Dir}}' $module)
    case $files in "$out"/go/modules/*) ;; *) fail "go: the module was $files" ;; esac
    "$tools/python/bin/wasm-tools" component embed "$files/wit" --world frontend-world module.wasm -o typed.wasm
    "$tools/python/bin/wasm-tools" component new typed.wasm --adapt "$files/adapter/wasi_snapshot_preview1.wasm" -o greeting.wasm
    "$tools/python/bin/wasm-tools" component wit greeting.wasm | grep -q 'export lapstrake:frontend/frontend@'
}

# A library with headers, which the template is compiled against.
package_c() {
    [ -x "$tools/python/bin/python-zig" ] || { say "c: zig is missing"; return 0; }
    zig=$tools/python/bin/python-zig
    project c
    CC="$zig cc" AR="$zig ar" "$root/sdk/c/install.sh" "$out/c/usr"
    (cd usr && tar -czf "$out/lapstrake-c.tar.gz" .)
    sed 's/{{name}}/greeting/g' "$root/sdk/c/template/frontend.c" > frontend.c
    flags() { sed -n "s#\${prefix}#usr#g; s/^$1: //p" usr/lib/pkgconfig/lapstrake.pc; }
    # shellcheck disable=SC2046
    "$zig" cc $(flags Cflags) -o module.wasm frontend.c $(flags Libs)
    "$tools/python/bin/wasm-tools" component new module.wasm -o greeting.wasm
    "$tools/python/bin/wasm-tools" component wit greeting.wasm | grep -q 'export lapstrake:frontend/frontend@'
}

if [ "${1:-}" = --one ]; then
    "package_$2"
    exit 0
fi
failed=0
for language in ${*:-rust python javascript go c}; do
    # A process of its own, as in a condition no function ends with what fails in it.
    if "$0" --one "$language" > "$log" 2>&1; then
        grep sdk/package.sh "$log" >&2 || echo "ok      package for $language"
    else
        echo "FAILED  package for $language"
        cat "$log"
        failed=1
    fi
done
exit $failed
