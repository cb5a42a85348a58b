# Every target sets up what it needs: a fresh clone on a bare Debian 12 with python3, venv, gcc, make and git is enough.
# ARGS reaches pytest (`make quick ARGS="tests/ipc -x"`), the benchmark and the proof.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help test quick thorough cover prove fuzz demo bench docs lint fmt types layers clean

BIN := .venv/bin
READY := .venv/.ready
ARGS ?=

# Folders that hold Python in this checkout; mypy refuses to be given one that does not.
TYPED = $(shell for d in src tests examples tools bench; do [ -n "$$(find $$d -name '*.py' -print -quit 2>/dev/null)" ] && echo $$d; done)

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || grep '##' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements/dev.txt requirements/debian.txt tools/bootstrap $(wildcard examples/*/pyproject.toml)
	@tools/bootstrap

test: lint types layers ## everything: lint, types, layers, then every test
	@echo "tests: all"
	@$(BIN)/python -m pytest $(ARGS)

quick: $(READY) ## the inner loop: every test that is not slow
	@$(BIN)/python -m pytest -q -m "not slow and not thorough" $(ARGS)

thorough: $(READY) ## what `make test` runs a sample of: minutes more
	@$(BIN)/python -m pytest -q -m thorough $(ARGS)

cover: $(READY) ## every test, with the lines and branches that none of them reached
	@$(BIN)/python -m pytest -q --cov --cov-report=term-missing $(ARGS)

prove: $(READY) ## no stub survives: each working function and each rule's callable replaced (ARGS="--stale", "--check")
	@$(BIN)/python -m tools.prove --write $(ARGS)

fuzz: $(READY) ## ten minutes of garbage, guided by coverage (ARGS="--seconds 60 --target insider", "--keep")
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --root-user-action=ignore -r requirements/fuzz.txt
	@$(BIN)/python -m tools.fuzz $(ARGS)

demo: $(READY) ## what it looks like in use (KEEP=1 leaves what it made)
	@KEEP="$(KEEP)" $(BIN)/python tools/demo.py

bench: $(READY) ## the measured promises
	@PYTHONPATH=. $(BIN)/python -m bench $(ARGS)

docs: $(READY) ## the pages in docs/, as HTML in build/docs; every warning is an error
	@out=$$($(BIN)/python -m mkdocs build --clean --strict 2>&1) || { printf '%s\n' "$$out" | grep -v '^INFO' >&2; exit 1; }
	@echo "docs: build/docs/index.html"

lint: $(READY) ## ruff: rules and layout
	@echo "lint: ruff"
	@$(BIN)/ruff check -q --output-format concise
	@$(BIN)/ruff format --check || { echo "lint: the layout of the files above differs; make fmt" >&2; exit 1; }

fmt: $(READY) ## rewrite to the house's layout
	@$(BIN)/ruff check -q --fix-only
	@$(BIN)/ruff format -q

types: $(READY) ## mypy, strict
	@echo "types: mypy ($(TYPED))"
	@$(BIN)/mypy --no-error-summary $(TYPED)

layers: $(READY) ## who may import whom
	@echo "layers: import-linter"
	@out=$$($(BIN)/lint-imports --no-logo 2>&1) || { printf '%s\n' "$$out" >&2; exit 1; }

clean: ## remove what the targets made, the virtual environment included
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage build dist
	@find . -name .git -prune -o \( -name __pycache__ -o -name '*.egg-info' \) -type d -prune -exec rm -rf {} +
