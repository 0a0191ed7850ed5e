# Each target sets up what it needs. PYTHON is the interpreter to make the environment with.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo serve test test-faults test-machines check bench bench-training bench-serving bench-uploads bench-tables bench-quality bench-peers soak audit lock clean

setup: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] < (3, 14) or sys.exit("Crosscheck \
needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is %d.%d: say PYTHON=…" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	$(BIN)/crosscheck demo

serve: setup
	$(BIN)/crosscheck serve

# Several files at a time: they start services, and wait for them.
test: setup .venv/programs
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# What tests need beside Python, and which Debian package has it: a browser, a scraper, a database,
# checkers of deploy/, a network of machines. Of Postgres, only psql is on the PATH.
PROGRAMS := chromium:chromium haproxy:haproxy prometheus:prometheus psql:postgresql kubectl:kubernetes-client systemd-analyze:systemd \
	nft:nftables ip:iproute2 faketime:faketime pgbouncer:pgbouncer

.venv/programs: .venv/installed
	@missing=; for each in $(PROGRAMS); do \
		command -v $${each%:*} > /dev/null || missing="$$missing $${each#*:}"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq --no-install-recommends $$missing > /dev/null; \
	elif [ -n "$$missing" ]; then echo "Tests that need$$missing are skipped."; fi
	@touch $@

# The short form is part of `make test`. SEED plays the faults of an earlier run again.
ROUNDS ?= 200
test-faults: setup
	CROSSCHECK_TEST_FAULT_ROUNDS=$(ROUNDS) CROSSCHECK_TEST_FAULT_SEED=$(SEED) \
		$(BIN)/python -m pytest tests/faults

# The same for several machines, which are network namespaces: it needs root.
test-machines: setup .venv/programs
	CROSSCHECK_TEST_MACHINE_ROUNDS=$(ROUNDS) CROSSCHECK_TEST_MACHINE_SEED=$(SEED) \
		$(BIN)/python -m pytest tests/machines

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy models service tests benchmarks

bench: bench-training bench-serving

bench-training: setup
	$(BIN)/python -m benchmarks.training

bench-serving: setup
	$(BIN)/python -m benchmarks.serving

bench-uploads: setup
	$(BIN)/python -m benchmarks.uploads

# Fetches four tables from the package files that they come in, into .tables.
bench-tables: setup
	$(BIN)/python -m benchmarks.tables

bench-quality: setup
	$(BIN)/python -m benchmarks.quality --page docs/comparison.md

MINUTES ?= 30

soak: setup
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

# Makes virtual environments of its own for LitServe, BentoML and MLServer, below .venv-peers.
bench-peers: setup
	$(BIN)/python -m benchmarks.peers

audit: setup
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	.venv-audit/bin/pip-audit --vulnerability-service osv --require-hashes --disable-pip -r requirements.lock

# Everything for development in requirements.lock; of that, what each image needs.
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

lock: setup
	$(COMPILE) --all-extras --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file requirements-serve.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --extra train --output-file requirements-train.lock pyproject.toml

clean:
	rm -rf .venv .venv-audit .venv-mlflow .venv-peers .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
