# What a person types. CI types nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PEERS := bench/.venv

.DEFAULT_GOAL := help
.PHONY: help demo install test check format torture bench peers constraints page pictures clean

help: ## list what can be typed
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## sync a small company and ask it five questions
	@$(BIN)/python examples/demo/tour.py

install: $(VENV)/.installed ## make .venv with everything that running needs

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "knowhub needs Python 3.11 or newer; name one: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: apt install python3-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) …"
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) -e '.[dev]'
	@touch $@

test: $(VENV)/.installed-dev ## run the tests
	@$(BIN)/python -m pytest -n auto

check: $(VENV)/.installed-dev ## format, lint, strict types, import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.installed-dev ## put the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

torture: $(VENV)/.installed-dev ## long random histories, kills and broken disks
	@$(BIN)/python -m pytest -m torture -o addopts="-q --strict-markers --strict-config --import-mode=importlib"

peers: $(PEERS)/.installed ## install what bench compares with

$(PEERS)/.installed: bench/requirements.txt
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@

bench: $(VENV)/.installed-dev $(PEERS)/.installed ## measure against peers, all in one run
	@$(BIN)/python -m bench --peer-python $(PEERS)/bin/python

page: ## build the web page from web/ (needs node; the result is committed)
	@cd web && npm ci --silent && npx svelte-check --tsconfig ./tsconfig.json --fail-on-warnings && npx vite build

pictures: $(VENV)/.installed-dev ## take the pictures in docs/page.md of a hub that serves the demo on port 8765
	@$(BIN)/python web/screenshots.py http://127.0.0.1:8765

constraints: ## pin what is installed now (after an upgrade)
	@$(BIN)/python -m pip freeze --exclude-editable | sed 's/ @ .*//' | LC_ALL=C sort -f > constraints.txt

clean: ## remove environments, caches and the demo's data
	@rm -rf $(VENV) $(PEERS) web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache examples/demo/.knowhub
