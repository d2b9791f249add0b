# Every command that a developer or CI runs. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
WORKERS ?= 2
DATA_FOLDER ?= .data
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# pip asks before it warns about root; a virtual environment needs neither.
export PIP_ROOT_USER_ACTION := ignore
# Processes are started by the hundred: what was compiled once is kept, also where containers say otherwise.
export PYTHONDONTWRITEBYTECODE :=

##@ Run
up: $(VENV)/.installed-run ## install what is missing, then serve on http://localhost:4000 with everything it needs
	@exec $(BIN)/guilder up

up_all: ## the whole system in containers: API, workers, PostgreSQL and replica, Redis, Kafka, nginx (needs Docker)
	@scripts/up-all.sh

seed: $(VENV)/.installed-run ## fill the database with demo data
	@$(BIN)/guilder seed

##@ Check
test: install system check pytest ## install what is missing, then every check and test that fits in 15 minutes

test-full: install system check ## the same, and the tests that need longer
	@echo "== pytest, the slow ones too"
	@TESTS_FULL=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: install ## the fast static part: ruff, mypy, import contracts, licences, secrets, advisories
	@echo "== ruff" && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "== mypy" && $(BIN)/mypy
	@echo "== import-linter" && $(BIN)/lint-imports
	@echo "== licences" && $(BIN)/python scripts/check_licences.py
	@echo "== secrets in the tree" && $(BIN)/python scripts/check_secrets.py
	@echo "== known vulnerabilities" && $(BIN)/python scripts/audit.py

pytest: install ## only the tests; ARGS="-k proration" narrows them, WORKERS=1 runs them one by one
	@echo "== pytest"
	@$(BIN)/pytest -m "not slow" -n $(WORKERS) --dist loadfile $(ARGS)

chaos: install system ## kill, freeze and cut off parts of an installation under load; ARGS="--minutes 60 --seed 7 --form embedded"
	@PYTHONPATH=. $(BIN)/python -m tests.chaos $(ARGS)

audit: install ## ask for known vulnerabilities of what the lock files pin, and write down that it was done
	@$(BIN)/python scripts/audit.py --record

sbom: install ## what the released package consists of, as CycloneDX: build/sbom.json
	@mkdir -p build
	@$(BIN)/python -W ignore::UserWarning -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json
	@echo "build/sbom.json"

format: install ## let ruff format and mend what it can
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

bench: install ## the table of ratios, a few minutes: what Guilder costs beside PostgreSQL itself (ARGS="billing log" narrows it)
	@$(BIN)/python bench/table.py short $(ARGS)

bench-full: install ## the same with a million subscriptions, and more rounds: hours, and some hundred GB of disk
	@$(BIN)/python bench/table.py full $(ARGS)

##@ Set up
install: $(VENV)/.installed-dev ## the virtual environment with the development tools

system: ## the system packages that browser and PDF tests use (apt, as root only)
	@scripts/system-packages.sh
	@scripts/kafka.sh

lock: $(VENV)/.made ## write both lock files again from pyproject.toml
	@$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	@$(LOCK) --extra build -o requirements.lock pyproject.toml
	@$(LOCK) --extra build --extra dev -o requirements-dev.lock pyproject.toml

clean: ## remove the virtual environment and caches; with DATA=1 the data folder too
	@rm -rf $(VENV) build dist src/*.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
	@if [ "$(DATA)" = 1 ]; then rm -rf "$(DATA_FOLDER)" && echo "Removed the data in $(DATA_FOLDER)."; fi

help:
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z_-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: up up_all seed test test-full check pytest chaos audit sbom format bench bench-full install system lock clean help

# ---- how it is done ------------------------------------------------------------------------------------------------
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
PIP = $(BIN)/python -m pip install --require-hashes --progress-bar off

$(VENV)/.made:
	@scripts/make-venv.sh $(VENV)
	@touch $@

# A stamp file is as new as the lock that was installed, so an unchanged lock costs nothing.
$(VENV)/.installed-run: $(VENV)/.made requirements.lock pyproject.toml
	@if [ ! -f $(VENV)/.installed-dev ] || [ requirements.lock -nt $(VENV)/.installed-dev ]; then \
		echo "Installing Guilder (about half a minute) ..."; \
		$(PIP) -r requirements.lock | sed -un 's/^Collecting \([^ (]*\).*/  \1/p'; \
		$(EDITABLE); \
	fi
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made requirements-dev.lock pyproject.toml
	@echo "Installing Guilder and its development tools (about a minute) ..."
	@$(PIP) -r requirements-dev.lock | sed -un 's/^Collecting \([^ (]*\).*/  \1/p'
	@$(EDITABLE)
	@touch $@

EDITABLE = $(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e .
