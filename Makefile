# Two commands: `make demo` runs a real workflow, `make test` passes the tests. Both set up what they need.
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: help setup demo up test check bench test-chaos test-long test-guides docs dashboards lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## Install everything into .venv (and bubblewrap and git through the package manager)

$(VENV)/.ready: requirements.txt shared/pyproject.toml $(wildcard services/*/pyproject.toml) deploy/setup.sh
	@bash deploy/setup.sh
	@touch $@

demo: setup ## Run repository-guard on Penstock's own source tree, and kill its runner on the way
	@$(VENV)/bin/penstock demo

up: setup ## Start everything on this machine; Ctrl-C stops it
	@$(VENV)/bin/penstock up

test: setup ## Run all tests but those that take long or kill processes at random
	@$(VENV)/bin/pytest -n 2 --dist loadfile

check: setup ## Lint, format, types, who may import whom, and the house style
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@for pack in shared/packs/*/lib; do \
	  MYPYPATH=$$pack:shared $(VENV)/bin/mypy --exclude /templates/ $$pack || exit 1; \
	done
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/pytest tests/house

test-chaos: setup ## Kill processes at random instants during many runs (.ci/run: at every tenth commit)
	@$(VENV)/bin/pytest -m chaos tests/chaos

bench: setup ## Measure the five workloads of the design, one JSON line each
	@$(PY) -m benchmarks.run

docs: setup ## Write again what is generated from the code; the tests check that it is current
	@$(PY) -m orchestrator.bus.asyncapi > docs/asyncapi.yaml
	@$(PY) -m orchestrator.domain.diagram > docs/states.md
	@$(PY) -m penstock.telemetry.documentation > docs/telemetry.md
	@$(PY) -m penstock.definition.schema > docs/definition.schema.json
	@$(PY) -m penstock.bus.server_configuration > deploy/nats/nats.conf

dashboards: setup ## Write Grafana's dashboards again from grafana/dashboards_as_code
	@PYTHONPATH=grafana $(PY) -m dashboards_as_code grafana/dashboards

clean: ## Remove what running and testing left behind; keeps .venv
	@rm -rf .penstock .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find services shared tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

PIN := $(VENV)/bin/uv pip compile -q --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11

test-long: setup ## Run the proofs that take long; .ci/run does at every tenth commit
	@$(VENV)/bin/pytest -n 2 --dist loadfile -m long

test-guides: setup ## Run the other side of the guides that lead here from Airflow and Prefect, in .venv-guides
	test -x .venv-guides/bin/airflow || { $(VENV)/bin/uv venv -q .venv-guides && \
	  $(VENV)/bin/uv pip install -q --python .venv-guides/bin/python --require-hashes -r tests/guides/requirements.txt; }
	.venv-guides/bin/python tests/guides/other_side.py

lock: ## Pin requirements.in with hashes into requirements.txt, and of that what each service's image needs
	$(PIN) requirements.in -o requirements.txt
	$(PIN) -c requirements.txt --no-emit-package penstock shared/pyproject.toml \
	  services/orchestrator/pyproject.toml -o deploy/requirements/orchestrator.txt
	$(PIN) -c requirements.txt --no-emit-package penstock shared/pyproject.toml \
	  services/agent-runner/pyproject.toml deploy/requirements/packs.in -o deploy/requirements/runner.txt
	$(PIN) -c requirements.txt --no-emit-package penstock shared/pyproject.toml \
	  services/notifier/pyproject.toml -o deploy/requirements/notifier.txt
	echo hatchling | $(PIN) -c requirements.txt - -o deploy/requirements/build.txt
