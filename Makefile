# `make demo` and `make test` need Python 3.11 or later with pip, and nothing else. Everything is installed into a
# virtual environment in this directory. Another interpreter: `make test PYTHON=python3.13`.

PYTHON ?= python3
# The default interpreter has .venv to itself; any other one gets its own, so that they do not replace each other.
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin

.PHONY: demo test lint types bench clean

demo: $(VENV)/installed-cli
	$(BIN)/novita-async demo

test: lint types
	$(BIN)/python -m pytest

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/installed-dev
	$(BIN)/basedpyright --pythonpath $(BIN)/python

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks

# One stamp for each set of extras: nothing is installed twice, and a changed pyproject.toml installs again.
$(VENV)/installed-%: pyproject.toml | $(VENV)/made
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "novita-async needs Python 3.11 or later, and $(PYTHON) is not: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

clean:
	rm -rf .venv .venv-* build dist novita-demo bench-results .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
