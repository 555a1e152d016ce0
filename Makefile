# Two commands: `make demo` runs a real workflow, `make test` passes the tests. Both set up what they need.
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: help setup demo up test check bench test-chaos lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## Install everything into .venv (and bubblewrap through the package manager)

$(VENV)/.ready: requirements.txt shared/pyproject.toml $(wildcard services/*/pyproject.toml) deploy/setup.sh
	@bash deploy/setup.sh
	@touch $@

lock: ## Pin requirements.in with hashes into requirements.txt
	$(VENV)/bin/uv pip compile -q --generate-hashes --no-header --no-emit-index-url --no-annotate \
	  --python-version 3.11 requirements.in -o requirements.txt
