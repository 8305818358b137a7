# Everything happens in .venv; the stamp is made anew when the dependencies change.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= auto
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint format check bench ui clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none was found. Or say: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## Set up, render a small film corpus and run everything on it (runs/demo/report.html)
	$(BIN)/cinegrain demo --out runs/demo

# One thread a test process: two of two threads each on two cores wait for one another, and small steps of training take
# thirty times as long.
test: lint  ## Set up, lint, check types and import layers, run all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

# Two minutes on two cores.
test-fast: $(STAMP)  ## Run the tests that need no browser, cluster, network or corpus of films
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder \
		-m 'not (browser or cluster or network or corpus or slow)'

lint: $(STAMP)  ## Lint, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP)  ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: test  ## All that CI does, and the package builds and installs
	$(BIN)/python -m build --outdir build/dist .

bench: $(STAMP)  ## Measure extraction
	$(BIN)/python benchmarks/extraction.py

ui: $(STAMP)  ## Build the explorer's pages from web/ui into the package (needs Node.js 20 or later)
	$(BIN)/python -m cinegrain.web.api > web/ui/openapi.json
	cd web/ui && npm ci --no-audit --no-fund && npm run check && npm test && npm run build

clean:  ## Remove the environment and caches; runs are kept
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
