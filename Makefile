# Lapstrake: `make demo` shows it, `make test` tests it. Both install what they need (Debian packages, as root).

CARGO ?= cargo
LAPSTRAKE = target/release/lapstrake

.PHONY: all demo examples test languages lint bench fuzz frontends install clean

all: $(LAPSTRAKE)

# The built-in frontends as Wasm components, in target/frontends.
frontends:
	@sh tests/install.sh build
	@sh frontends/build.sh

.PHONY: $(LAPSTRAKE)
$(LAPSTRAKE): frontends
	$(CARGO) build --release --locked -p lapstrake

demo: $(LAPSTRAKE)
	@sh tests/install.sh demo
	@sh examples/demo.sh $(LAPSTRAKE)

# Twenty Dockerfiles for real, with bases made here: needs the network and some minutes.
examples: $(LAPSTRAKE)
	@sh tests/install.sh demo
	@sh examples/dockerfiles/build.sh $(LAPSTRAKE)

# The tests need the program too; `cargo test` builds it, with the same dependencies. What the SDKs of other languages need is
# fetched and made meanwhile.
test: languages lint
	@sh tests/install.sh test
	@sh sdk/test.sh
	@sh frontends/build.sh --test
	$(CARGO) test --release --locked --workspace
	@sh tests/unprivileged.sh release

languages:
	@sh tests/install.sh languages
	@sh sdk/test.sh --begin

lint: frontends
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	@if command -v cargo-deny > /dev/null; then $(CARGO) deny --offline check licenses bans sources; \
	else echo "cargo-deny is not installed: licences are not checked (cargo install cargo-deny)"; fi

# Parts with criterion, then whole builds beside the peers that are installed.
bench: $(LAPSTRAKE)
	@sh tests/install.sh bench
	$(CARGO) bench --locked --workspace --bench frontend
	@sh tests/bench/run.sh $(LAPSTRAKE)

# The frontends, each for FUZZ_SECONDS, 300 unless given, in all its targets together.
fuzz:
	@sh tests/install.sh fuzz
	@sh frontends/fuzz.sh $${FUZZ_SECONDS:-300}

install: $(LAPSTRAKE)
	install -D -m 0755 $(LAPSTRAKE) $(DESTDIR)/usr/local/bin/lapstrake

clean:
	$(CARGO) clean
