# The words of this repository. Each sets up what it needs inside this folder.
PYTHON ?= python3
BUILD := .build
SANDBOX_LOCKS := deploy_action/sandbox/requirements.txt
TEST_LOCKS := tests/requirements.txt

.PHONY: help sandbox setup test test-az lint bench lock clean

help: ## Show the words
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

sandbox: ## Run the main job in a local Azure: no account, no Docker, no Redis needed
	@python="$$($(PYTHON) -I deploy_action/setup/bootstrap.py --into $(BUILD) $(SANDBOX_LOCKS))" && \
	"$$python" -m deploy_action sandbox demo --page .sandbox/demo.html $(ARGUMENTS)

setup: ## Install what the tests need, system packages too where that is possible
	@$(PYTHON) tests/support/system_packages.py
	@mkdir -p $(BUILD)
	@$(PYTHON) -I deploy_action/setup/bootstrap.py --into $(BUILD) $(TEST_LOCKS) > $(BUILD)/test-python

test: setup ## Pass the tests
	@"$$(cat $(BUILD)/test-python)" -m pytest -n 4 --dist loadgroup $(ARGUMENTS)

test-az: setup ## Put the real az on the local Azure (slow; installs azure-cli apart)
	@$(PYTHON) -I deploy_action/setup/bootstrap.py --into $(BUILD) tests/azure_cli/requirements.txt > $(BUILD)/az-python
	@"$$(cat $(BUILD)/test-python)" -m pytest -m az -p no:randomly $(ARGUMENTS) tests/azure_cli

lint: setup ## Check style, types, floors and workflows
	@"$$(cat $(BUILD)/test-python)" tools/lint.py

bench: setup ## Measure, as ratios against a named peer in one run
	@"$$(cat $(BUILD)/test-python)" benchmarks

lock: ## Renew the locks after a change of pyproject.toml (needs uv)
	@sh tools/lock.sh

clean: ## Remove what the words above made
	rm -rf $(BUILD) .sandbox .mypy_cache .ruff_cache .pytest_cache .hypothesis
