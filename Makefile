# Pipeline Studio: `make` lists what there is, `make up` is all it takes.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000

# Installs what is missing and then becomes the command after `--`.
SETUP = @command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: install it (Debian, Ubuntu: apt-get install python3-venv), or name it with 'make PYTHON=…'." >&2; exit 1; }; exec $(PYTHON) studio/installation/setup.py
RUN = .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help up test lint fmt bench shots lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## install what is missing and start the studio (PORT=8000 HOST=127.0.0.1); Ctrl-C stops it
	$(SETUP) up -- $(RUN) manage.py up --host $(HOST) --port $(PORT)

test: ## install what is missing and run every check and test (PARTS="lint browser" for some)
	$(SETUP) test -- $(RUN) -m tests.support.everything $(PARTS)

lint: ## the checks without the tests
	$(SETUP) test -- $(RUN) -m tests.support.everything lint

fmt: ## put the sources into their layout
	$(SETUP) test -- $(RUN) -m ruff format .
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m djlint --reformat --quiet templates

bench: ## measure against bare processes; writes STUDIO_HOME/bench.json
	$(SETUP) up -- $(RUN) manage.py bench

shots: ## take the README's pictures
	$(SETUP) test -- $(RUN) -m tests.support.shots

lock: ## renew the lock files from pyproject.toml and package.json
	$(SETUP) packages -- $(RUN) -c ''
	@for group in "" "--group dev"; do \
		.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml $$group \
			--output-file "requirements$${group:+-dev}.lock" || exit 1; \
	done
	@npm install --package-lock-only --ignore-scripts

clean: ## remove what was installed and built; the studio's data in STUDIO_HOME stays
	rm -rf .venv node_modules static/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache test-results
