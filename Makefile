# Each target does its own set-up: on a machine that has some Python 3 and a C compiler, `make demo` or `make test` is all.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Text is UTF-8, whatever the locale of the machine or of a library that changes it says.
export PYTHONUTF8 := 1
# Python keeps what it compiled, also where a container's settings say no: without that each of our processes compiles
# thousands of modules anew, for 8 CPU seconds.
export PYTHONDONTWRITEBYTECODE :=

# uv from the PATH where it is, else from a venv of our own.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --locked --no-sync
DEMO ?= demo
JOBS ?= 2

.PHONY: help setup demo real test check figures format types lint docs pages nightly server sbom audit clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.uv/bin/uv:
	python3 -m venv .uv || { echo "python3 has no venv module. On Debian: apt-get install python3-venv"; exit 1; }
	.uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.8'

setup: $(filter .uv/bin/uv,$(UV))  ## Install everything that uv.lock names into .venv
	@$(UV) sync --locked --quiet

demo: setup  ## Simulate three hospitals and build a release from them, into demo/
	@$(RUN) unibase simulate $(DEMO) --resume
	@$(RUN) unibase build $(DEMO)/study.yaml

real: setup  ## Build the example over real files (needs UNIBASE_REAL_DATA, default ../shared/data)
	@test -f work/real.key || $(RUN) unibase key new work/real.key
	@$(RUN) unibase build examples/real/study.yaml

test: setup  ## Run all tests
	@$(RUN) pytest -n $(JOBS) --dist loadgroup

check: setup lint types figures  ## Lint, types and the rules of the house

figures: setup  ## The figures of the house, none worse than before
	@$(RUN) python -m tests.house.figures

lint: setup
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) lint-imports --no-cache

types: setup
	@$(RUN) mypy

docs: setup  ## Build the manual as a site, into site/; a warning is an error
	@$(UV) sync --locked --quiet --group docs
	@$(RUN) python -m tests.docs.blocks
	@NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --quiet

pages: setup  ## Write the generated pages of the manual
	@for page in docs/generate_*.py; do $(RUN) python $$page; done

format: setup  ## Format and sort imports
	@$(RUN) ruff check --fix --quiet .
	@$(RUN) ruff format --quiet .

sbom: setup  ## Write the bill of materials of what is installed at run time (CycloneDX) to sbom.json
	@$(UV) export --locked --no-dev --format cyclonedx1.5 --quiet | $(RUN) python deploy/bill_of_materials.py sbom.json

audit:  ## Ask the database of known weaknesses about every locked version (needs the network)
	@$(UV) audit --preview-features audit-command --locked --no-dev

server: setup  ## Start a Prefect server on loopback, telemetry off
	@DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false $(RUN) prefect server start --host 127.0.0.1

clean:  ## Remove the demo
	rm -rf $(DEMO)
