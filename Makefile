# Everything sets up what it needs: Python 3.11+, git and make are enough.
PYTHON ?= python3
TOOLS := .tools
UV := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)
BIN := .venv/bin
export UV_PROJECT_ENVIRONMENT := .venv
ARGS ?=

.PHONY: demo test check lint types imports tests coverage bench clean
.DEFAULT_GOAL := help

help: ## What there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/.base ## Show the main job here: workspace, recorded cluster, bot. ARGS=--once prints the finished thread
	@$(BIN)/rca demo $(ARGS)

test: check tests ## Lint, types, import contracts, and the whole suite

check: lint types imports

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.dev
	$(BIN)/mypy

imports: .venv/.dev
	$(BIN)/lint-imports

tests: .venv/.dev
	$(BIN)/pytest -n 2 --dist loadfile -q $(ARGS)

coverage: .venv/.dev ## The suite, measured: which lines and branches no test takes (slower by a third)
	$(BIN)/pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=80 -q $(ARGS)

bench: .venv/.dev ## Ratios of one run, printed
	$(BIN)/python -m bench $(ARGS)

$(TOOLS)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install -q 'uv>=0.8'

.venv/.base: pyproject.toml uv.lock | $(filter $(TOOLS)/bin/uv,$(UV))
	$(UV) sync -q --frozen --no-dev --inexact
	@touch $@

.venv/.dev: pyproject.toml uv.lock | $(filter $(TOOLS)/bin/uv,$(UV))
	$(UV) sync -q --frozen --all-groups
	@touch $@ .venv/.base

clean: ## Remove the environment and caches
	rm -rf .venv $(TOOLS) .pytest_cache .mypy_cache .ruff_cache .coverage* htmlcov
