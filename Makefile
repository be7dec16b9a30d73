# The commands that people and CI use. One cargo shape everywhere, `--workspace --locked`: another one would unify
# features anew and rebuild half of the tree.
.POSIX:
.PHONY: help run test policy-agreement check generate fmt deny

ARGS =

help:
	@echo 'make run        build the server and start `agentidp dev` (pass options: make run ARGS="--port 9000")'
	@echo 'make test       install what the tests need, start throw-away servers, run every test, then tests/run'
	@echo 'make policy-agreement'
	@echo '                hold 100,000 decisions of every engine against OPA (make test: 24,000)'
	@echo 'make check      format, lints, boundaries, unit tests, generated files: before every commit'
	@echo 'make generate   rewrite the generated files'
	@echo 'make fmt        format the sources'
	@echo 'make deny       licences, sources and banned crates of the lock file (needs cargo-deny)'
	@echo
	@echo 'These build the dev profile. A release: cargo build --workspace --locked --release'
	@echo 'gives target/release/agentidp.'

run:
	cargo build --workspace --locked
	exec "$${CARGO_TARGET_DIR:-target}/debug/agentidp" dev $(ARGS)

test:
	scripts/setup-test
	scripts/with-servers cargo test --workspace --locked
	tests/run

policy-agreement:
	POLICY_INPUTS=100000 cargo test --workspace --locked --test policy_agreement
	cd tests/policy && go test -count=1 -v -timeout 30m -run 'Decides|Changed' .

check:
	cargo fmt --all --check
	scripts/check-boundaries
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --workspace --locked --lib
	scripts/generate --check

generate:
	scripts/generate

fmt:
	cargo fmt --all

deny:
	cargo deny --locked check bans licenses sources
