# make demo: the main job on real input.  make test: the whole check.  Each makes its own .venv.
# PYTHON=python3.13 make test  uses another interpreter (VENV=.venv-3.13 to keep the first one).

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test explore lint format clean help

help:
	@sed -n '1,2s/^# //p' Makefile

demo: $(VENV)/.demo
	@$(BIN)/python examples/demo.py

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy tests/typing
	$(BIN)/python -m pytest -q -n auto

explore: $(VENV)/.dev
	$(BIN)/python -m tests.interleavings

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rcollections needs Python 3.11 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml setup.py
	$(PIP) -e '.[memory,embedded]' || $(PIP) -e '.[memory]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml setup.py $(wildcard rcollections/*/*.pyx rcollections/*/*.pxd)
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis rcollections/*/*.so
