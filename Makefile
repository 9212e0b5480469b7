# Countersign: what a person types. `make help` lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# The steps of `test` build on each other, and the machine is full with one.
.NOTPARALLEL:

PYTHON := .venv/bin/python
RUFF := .venv/bin/ruff
PYTEST := $(PYTHON) -m pytest
# Two cores are what CI has; a third test runs while others wait for blocks, tokens and processes.
WORKERS ?= 3

.PHONY: help
help: ## Show this list
	@printf 'Countersign\n\n'
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: ## Install what everything here needs (idempotent)
	@bin/setup test

.PHONY: demo
demo: ## Run the demonstration: ONCE=1 plays it and ends, FULL=1 on PostgreSQL, Redis and Celery
	@bin/setup $(if $(FULL),full,demo)
	exec $(PYTHON) -m demo $(if $(ONCE),--once) $(if $(FULL),--full)

.PHONY: test
test: setup lint test-sqlite test-postgres ## Run every check and every test

.PHONY: test-sqlite
test-sqlite: ## Run all tests, on SQLite
	@bin/step 'tests on SQLite' $(PYTEST) -n $(WORKERS) --dist worksteal

.PHONY: test-postgres
test-postgres: ## Run the tests that touch the database again, on a private PostgreSQL cluster
	@bin/step 'tests on PostgreSQL' env COUNTERSIGN_TEST_DATABASE=postgres $(PYTEST) -n $(WORKERS) --dist worksteal -m 'database and not browser'

.PHONY: lint
lint: ## Check format, style, types, import layers and migrations
	@bin/step 'format' $(RUFF) format --check --quiet .
	bin/step 'style' $(RUFF) check --quiet .
	bin/step 'types' .venv/bin/mypy
	bin/step 'import layers' .venv/bin/lint-imports --no-logo
	bin/step 'migrations' $(PYTHON) manage.py makemigrations --check --dry-run
	bin/step 'settings' $(PYTHON) manage.py check

.PHONY: format
format: ## Format the code
	@$(RUFF) check --quiet --select I --fix .
	$(RUFF) format .

.PHONY: soak
soak: ## Run the full counts of the bounded tests
	@bin/setup test
	bin/step 'soak' env COUNTERSIGN_SOAK=1 $(PYTEST) -n $(WORKERS) --timeout=3600

.PHONY: bench
bench: ## Measure: BENCH=signer, policy, audit, chains or mpc
	@bin/setup test
	exec $(PYTHON) -m tests.bench.$(or $(BENCH),signer)

.PHONY: screenshots
screenshots: ## Play the demonstration and take the pictures in docs/screenshots
	@bin/setup test
	exec $(PYTHON) -m tests.screenshots

.PHONY: lock
lock: ## Compile requirements*.in into universal locks with hashes
	@bin/lock

.PHONY: clean
clean: ## Remove what runs and tools left behind; data in var/ and installed parts stay
	@rm -rf .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis test-results
	find . -name __pycache__ -not -path './.venv/*' -not -path './node_modules/*' -prune -exec rm -rf {} +
