# Every target works on a fresh checkout that has Python 3.11 or later and nothing else: it makes .venv where there is
# none, and installs again only when pyproject.toml has changed. The package is installed as an editable one, so that
# what runs is what stands here.

VENV ?= .venv
BIN := $(VENV)/bin

# The first interpreter that is new enough; macOS calls an old one python3.
find_python = for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done
PYTHON ?= $(shell $(find_python))

.PHONY: help demo test test-slow lint format site clean

help:
	@echo "make demo       three days of a small network, one detection, its queries and its hits"
	@echo "make test       the tests that take seconds"
	@echo "make test-slow  the tests that take minutes (they build and install the package: network needed)"
	@echo "make lint       ruff, formatting, mypy, which module may import which"
	@echo "make format     let ruff put the code into shape"
	@echo "make site       prove and measure what has changed, and build the site into site/"
	@echo "make clean      remove what all of these left behind"

demo: $(VENV)/.run
	@$(BIN)/polysigma demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/pytest -n auto $(ARGS)

test-slow: $(VENV)/.dev
	$(BIN)/pytest -n auto --dist loadgroup -m slow $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# What was measured is kept in build/evidence, and is measured again when rules, scenarios or code have changed.
site: $(VENV)/.dev
	$(BIN)/python -m polysigma.site.evidence
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist site demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; name one with: make PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV) with `$(PYTHON) --version` (once)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	@echo "Installing Polysigma and DuckDB into $(VENV) (once; about 70 MB to download)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[run]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing Polysigma and its development tools into $(VENV) (once)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $(VENV)/.run $@
