# Two commands do everything: `make demo` and `make test`. What they need is set up once, from the lock files.
SHELL := /bin/bash
PORT ?= 8080
DATA ?= .kechuang
ONCE ?=
ALL ?=
ROWS ?=
KILLS ?= 200
MINUTES ?= 10
LOAD_S := $(if $(filter command line,$(origin SECONDS)),$(SECONDS),60)
LOG ?= kafka
AGAIN ?=
KAFKA ?=
KAFKA_PORT ?= 9092
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input

.PHONY: help demo test lint openapi budget bench faults kafka setup clean
.DEFAULT_GOAL := help

help: ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 8

demo: .venv/.installed ## The whole stack with the demo district [PORT=8080] [DATA=.kechuang] [KAFKA=HOST:PORT] [ONCE=1]
	@$(BIN)/kechuang up --demo --board --port $(PORT) --data $(DATA) $(if $(KAFKA),--kafka $(KAFKA)) $(if $(ONCE),--once)

test: .venv/.installed-dev ## Everything that this machine can run; ALL=1 fails if anything is left out
	@$(BIN)/python -m tests.suite $(if $(ALL),--all)

lint: .venv/.installed-dev ## ruff, mypy, import-linter
	@$(BIN)/python -m tests.suite --only lint

faults: .venv/.installed-dev ## The fault matrix [ROWS=1,4] [KILLS=200] [SECONDS=60] [LOG=kafka] [AGAIN=1]; finished rows are kept
	@$(BIN)/python -m tests.faults --rows "$(ROWS)" --kills $(KILLS) --seconds $(LOAD_S) --log $(LOG) $(if $(AGAIN),--again)

openapi: .venv/.installed-dev ## Calls every operation of the OpenAPI documents [EXAMPLES=100] [SEED=1]
	@EXAMPLES=$(or $(EXAMPLES),100) $(if $(SEED),SEED=$(SEED)) $(BIN)/python -m pytest tests/integration/openapi tests/integration/metrics/test_openapi.py

budget: .venv/.installed-dev ## Random work of several hands at once on one budget, its identity read all the time [MINUTES=10]
	@BUDGET_MINUTES=$(MINUTES) $(BIN)/python -m pytest -q -s tests/integration/money/test_budget_machine.py

bench: .venv/.installed-dev ## The benchmarks of tests/bench, with their figures
	@$(BIN)/python -m tests.bench

kafka: .venv/.installed ## An Apache Kafka for a developer, until Ctrl-C [KAFKA_PORT=9092]; needs Java and Maven
	@$(BIN)/python -m deploy.local.kafka --port $(KAFKA_PORT)

setup: .venv/.installed-dev ## The virtual environment with everything that tests need

clean: ## Remove the virtual environment and all caches; the data of a stack stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "no venv: apt-get install python3-venv" >&2; rm -rf .venv; exit 1; }

.venv/.installed: requirements.lock pyproject.toml | .venv/bin/python
	@echo "setting up .venv from requirements.lock"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.installed-dev: requirements-dev.lock .venv/.installed
	@echo "setting up .venv from requirements-dev.lock"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
