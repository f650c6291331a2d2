# make up      starts everything: http://127.0.0.1:8000 (PORT, HARNESS_DATA_DIR, WORKERS choose otherwise)
# make test    runs all tests on SQLite and on PostgreSQL
# make lint    style, types, migrations, deployment checks
# make bench   measures, see bench/

PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin

.PHONY: up test lint format bench requirements
.DEFAULT_GOAL := up

up: .venv/.installed
	@exec $(BIN)/python manage.py up

test: .venv/.installed-dev
	@exec scripts/test

lint: .venv/.installed-dev
	@exec scripts/lint

format: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.installed-dev
	@exec $(BIN)/python -m bench

requirements: .venv/.installed-dev
	@exec scripts/compile-requirements

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Runwatch needs Python 3.11, 3.12 or 3.13 on PATH (or: make PYTHON=/path/to/python)." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.installed-dev: requirements.txt requirements-dev.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ .venv/.installed
