# `make demo` and `make test` need Python 3.11 or later with pip, and nothing else. Everything is installed into a
# virtual environment in this directory. Another interpreter: `make test PYTHON=python3.13`.

PYTHON ?= python3
# The default interpreter has .venv to itself; any other one gets its own, so that they do not replace each other.
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
# An environment knows the directory that it was made in: a copy of this one makes and installs it anew.
HERE := $(shell pwd | cksum | cut -d ' ' -f 1)

.PHONY: demo test acceptance lint types bench clean

demo: $(VENV)/$(HERE)-cli
	$(BIN)/novita-async demo

test: lint types
	$(BIN)/python -m pytest -n 2 --dist worksteal

# What takes minutes, or is somebody else's: acceptance/README.md. Its parts keep two processors busy by themselves.
acceptance: $(VENV)/$(HERE)-dev
	$(BIN)/python -m pytest -p acceptance.complete -o faulthandler_timeout=600 -o asyncio_debug=true -m '' -n 2 --dist worksteal
	$(BIN)/python -m pytest -p acceptance.complete --over-sockets -n 2 --dist worksteal tests/sandbox
	$(BIN)/python -m pytest -p acceptance.complete -o faulthandler_timeout=600 -m acceptance acceptance

lint: $(VENV)/$(HERE)-dev
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check

types: $(VENV)/$(HERE)-dev
	$(BIN)/python -m basedpyright --pythonpath $(BIN)/python

bench: $(VENV)/$(HERE)-bench
	$(BIN)/python -m benchmarks

# One stamp for each set of extras: nothing is installed twice, and a changed pyproject.toml installs again.
$(VENV)/$(HERE)-%: pyproject.toml | $(VENV)/$(HERE)-made
	@echo "installing into $(VENV), which takes a while the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@

$(VENV)/$(HERE)-made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "novita-async needs Python 3.11 or later, and $(PYTHON) is older or not there: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@# Where venv cannot put pip into what it makes (Debian without python3-venv), the system's pip can.
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { $(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check pip; }
	@touch $@

clean:
	rm -rf .venv .venv-* build dist novita-demo bench-results .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
