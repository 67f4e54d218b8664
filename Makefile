# Needs make and Python 3.11 or newer; everything else comes from pip, by the hashes in the lock files.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
# Not /bin/sh: that is what make has anyway, and the make of macOS starts plain lines without it, and finds their programs
# by a PATH of its own.
SHELL := /usr/bin/env sh

PYTHON ?= python3
VENV := .venv
# protoc and buf find their plugins, and the tools each other.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

STANDALONE := $(VENV)/standalone.stamp
DEV := $(VENV)/dev.stamp
PIP := python -m pip --disable-pip-version-check --quiet

##@ Every day

.PHONY: run
run: $(STANDALONE) ## Start everything on this machine; Ctrl-C stops it
	@exec python -m standalone

.PHONY: admin
admin: $(STANDALONE) ## Make an administrator of what runs: make admin EMAIL=you@example.com
	@python -m standalone create-admin "$(EMAIL)" $(if $(PROMOTE),--promote)

.PHONY: demo
demo: $(DEV) ## Fill what runs with something to look at: three people, three projects, sixty tasks
	@python -m tests.demo

.PHONY: demo-large
demo-large: $(DEV) ## Besides, a million tasks in 10,000 projects, by COPY; takes some minutes
	@python -m tests.demo --large

.PHONY: dev
dev: $(DEV) ## The same, restarted when a source file is saved
	@exec python -m standalone --reload

.PHONY: test
test: $(DEV) ## All tests that need nothing but pip; COVERAGE=yes measures, too, which takes twice as long
ifdef COVERAGE
	@coverage erase
	coverage run -m pytest $(ALONE)
	@coverage combine --quiet
	coverage report
else
	pytest $(ALONE)
endif

# A file at a time, on as many CPUs as there are to spare: each worker has a system of its own.
WORKERS ?= 2
ALONE := -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not engines and not soak"

.PHONY: test-engines
test-engines: $(DEV) ## Tests that need an engine beyond pip (Redis, Chromium, Envoy, PgBouncer), and the contract on PostgreSQL 16, by Envoy and by PgBouncer
	pytest $(ALONE) --postgres 16 tests/contract
	pytest $(ALONE) --rest envoy -k "not grpc" $(BY_ENVOY)
	pytest $(ALONE) --pooled $(BY_POOLER)
	pytest -q -m engines

# Where locks are taken, and held to the end of a transaction.
BY_POOLER := $(addprefix tests/contract/test_,concurrency.py linearizability.py attempts.py batches.py relations.py tags.py project_states.py transfer.py)
# Where the door makes a difference.
BY_ENVOY := $(addprefix tests/contract/test_,rest.py main_job.py projects.py tasks.py members.py comments.py sessions.py bad_input.py)

.PHONY: soak
soak: $(DEV) ## Long and large tests; not in CI
	@pytest -q -m soak

.PHONY: check
check: proto-check lint types licences audit test ## Everything that must hold; CI runs it with COVERAGE=yes

##@ Parts of the check

.PHONY: lint
lint: $(DEV) ## Style, import rules, Dockerfile, compose file
	ruff check .
	ruff format --check .
	lint-imports
	hadolint Dockerfile
	check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

.PHONY: types
types: $(DEV) ## mypy, strict
	mypy . .ci/*.py

.PHONY: licences
licences: $(DEV) ## Fail when production would install a licence that is not on the list
	@python .ci/licences.py requirements.lock

.PHONY: audit
audit: $(DEV) ## Fail on known vulnerabilities in what production installs
	@python .ci/audit.py requirements.lock

##@ When the contract changes

.PHONY: proto
proto: $(DEV) ## Regenerate bindings and descriptors
	python protos/generate.py

.PHONY: proto-check
proto-check: $(DEV) ## Fail if regeneration changes anything, or if the contract is badly styled or breaks its callers
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && cp -R protos "$$fresh" && \
	python "$$fresh/protos/generate.py" && \
	if ! diff -rq -x __pycache__ protos "$$fresh/protos"; then \
		echo "proto-check: what is generated is not what the .proto files say: run make proto" >&2; exit 1; fi
	buf lint protos/descriptors.binpb --path tandem
	buf format -d --exit-code protos
	@.ci/breaking

.PHONY: docs
docs: $(DEV) ## Write docs/permissions.md anew: who may call what
	@python docs/permissions.py

##@ The database

.PHONY: migrate
migrate: $(STANDALONE) ## Bring the databases of IDENTITY_DATABASE_URL and WORK_DATABASE_URL to the newest revision
	@python -m migrations

##@ Now and then

.PHONY: bench
bench: $(DEV) ## Requests per second and CPU per request, against a system of its own
	@python -m tests.bench

.PHONY: bench-gateway
bench-gateway: $(DEV) ## CPU per request of the gateway, beside a bare loop and Envoy
	@python -m tests.bench.gateway

.PHONY: lock
lock: $(DEV) ## Resolve the dependencies anew
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra standalone --extra build --output-file requirements-standalone.lock pyproject.toml
	$(COMPILE) --all-extras --output-file requirements-dev.lock pyproject.toml

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: clean
clean: ## Remove caches and the environment; what `make run` keeps in .tandem stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# -- the environment; made again when a lock changes

$(VENV)/created.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Tandem needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1): make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make environments (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@touch $@

$(STANDALONE): requirements-standalone.lock pyproject.toml $(VENV)/created.stamp
	@echo "installing what $< lists into $(VENV)"
	@$(PIP) install --require-hashes -r requirements-standalone.lock
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml $(VENV)/created.stamp
	@echo "installing what $< lists into $(VENV)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@ $(STANDALONE)
