# Each target sets up what it needs inside this folder.
PYTHON ?= python3
BUILD := .build
BOOTSTRAP = $(PYTHON) -I deploy_action/setup/bootstrap.py --into $(BUILD)
IN_ENV := tools/in-env.sh
# Tests wait for replicas, intervals and timeouts more than they compute.
WORKERS ?= $(shell expr 3 '*' "$$(getconf _NPROCESSORS_ONLN)")
export PREK_HOME := $(CURDIR)/$(BUILD)/prek

.PHONY: help sandbox setup hooks test quick coverage soak mutations test-az lint audit docs bench lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

sandbox: ## Run the demo in the sandbox; needs no Azure account, Docker or Redis
	@python="$$($(BOOTSTRAP) deploy_action/sandbox/requirements.txt)" && \
	"$$python" -m deploy_action sandbox demo --page .sandbox/demo.html $(ARGUMENTS)

setup: ## Install what the tests and linters need; as root on Debian, this includes system packages
	@$(PYTHON) tests/support/system_packages.py
	@mkdir -p $(BUILD)
	@$(BOOTSTRAP) tests/requirements.txt > $(BUILD)/test-python

hooks: setup ## Install git hooks that run the linters on every commit
	@$(IN_ENV) prek install

test: setup ## Run the tests; ARGUMENTS="-k NAME" runs a subset
	@$(IN_ENV) pytest -n $(WORKERS) --dist loadgroup $(ARGUMENTS)

quick: setup ## Run the fast tests, in less than a minute
	@$(IN_ENV) pytest -n logical --dist loadgroup --hypothesis-profile quick -m 'not az and not slow' $(ARGUMENTS)

coverage: setup ## Run the tests and check the code coverage
	@rm -rf $(BUILD)/coverage
	@$(IN_ENV) coverage run -m pytest -n $(WORKERS) --dist loadgroup $(ARGUMENTS)
	@$(IN_ENV) coverage combine --quiet
	@$(IN_ENV) coverage report

soak: setup ## Kill runs at random moments for hours; ARGUMENTS="--kill-rounds 100" for a shorter run
	@$(IN_ENV) pytest -n $(WORKERS) --kill-rounds 2000 $(ARGUMENTS) tests/faults/test_random_kills.py

mutations: setup ## Check that the tests detect each defect in tests/mutations (slow)
	@$(IN_ENV) python -m tests.mutations $(ARGUMENTS)

test-az: setup ## Run the real Azure CLI against the sandbox (slow; installs azure-cli separately)
	@$(BOOTSTRAP) tests/azure_cli/requirements.txt > $(BUILD)/az-python
	@$(IN_ENV) pytest -m az -p no:randomly $(ARGUMENTS) tests/azure_cli

lint: setup ## Run all linters on all files; .pre-commit-config.yaml lists them
	@$(IN_ENV) prek run --all-files

audit: ## Check the locked packages for known vulnerabilities (needs a package index with advisory data)
	@python="$$($(BOOTSTRAP) tools/audit/requirements.txt)" && \
	"$$python" -m pip_audit --strict --disable-pip --require-hashes \
		-r requirements.txt -r deploy_action/sandbox/requirements.txt

docs: setup ## Update the generated parts of docs/ and action.yml
	@$(IN_ENV) python tools/generate_docs.py

bench: setup ## Run the benchmarks; each one compares with a named alternative
	@$(IN_ENV) python benchmarks

lock: ## Update the lock files after changing pyproject.toml (needs uv)
	@sh tools/lock.sh

clean: ## Delete what the other targets created
	rm -rf $(BUILD) .sandbox .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
