# Each target does all it needs from a bare clone; `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
DATA ?= marketplace
READY := $(VENV)/.installed
export PYTHONPATH := $(CURDIR)
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help install demo up down status psql env spark lint test fault soak bench audit lock clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

install: $(READY) ## make .venv with the locked environment

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "Trailguard needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try make PYTHON=python3.11 ..."; exit 2; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@$(RUN) -m uv --version >/dev/null 2>&1 || $(RUN) -m pip install --quiet --disable-pip-version-check uv
	$(RUN) -m uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock --python $(RUN)
	@$(RUN) -m infra.local.openmp
	@touch $@

demo: $(READY) ## the whole journey; DATA=a shipped dataset, a descriptor or a folder; SECURE=1 as below
	$(RUN) -m infra.local.demo --data $(DATA)$(if $(SECURE), --secure)

up: $(READY) ## start PostgreSQL, MLflow and Airflow on loopback; SECURE=1: MLflow asks everybody who they are; PSEUDONYMS=1: users by a keyed hash
	$(RUN) -m infra.local up --data $(DATA)$(if $(SECURE), --secure)$(if $(PSEUDONYMS), --pseudonyms)

down: $(READY) ## stop them
	$(RUN) -m infra.local down

status: $(READY) ## what runs, where, since when
	$(RUN) -m infra.local status

psql: $(READY) ## a SQL shell as the analyst
	$(RUN) -m infra.local psql

env: $(READY) ## generate .env for docker compose; DATA=the folder with your files
	$(RUN) -m infra.local env-file --data $(DATA) $(if $(PSEUDONYMS),--pseudonyms)

spark: $(READY) ## install Spark into .trailguard/spark and print what a shell needs to submit
	@$(RUN) -m infra.spark

lint: $(READY) ## ruff
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

test: $(READY) ## every tier, and how many tests ran in each
	$(RUN) -m tests.run

fault: $(READY) ## faults injected into a running stack, ROUNDS=3 of each, and what they did to the flags
	$(RUN) -m tests.fault --rounds $(or $(ROUNDS),3)

bench: $(READY) ## Trailguard beside what a user would otherwise pick; QUICK=1 takes under three minutes
	$(RUN) -m tests.bench $(if $(QUICK),--quick)

soak: $(READY) ## a week in fast-forward, in which much goes wrong; writes docs/soak.md
	$(RUN) -m tests.soak

audit: $(READY) ## known vulnerabilities of all that is pinned, asked of PyPI; needs the internet
	$(RUN) -m uv tool run pip-audit==2.10.1 --strict --disable-pip --require-hashes -r requirements.lock -r infra/spark/requirements.lock

lock: $(READY) ## resolve requirements.lock anew from pyproject.toml, and Spark's to match
	$(RUN) -m uv pip compile --universal --python-version 3.11 --no-header --no-emit-index-url --no-annotate --generate-hashes \
	  --extra dev --quiet pyproject.toml -o requirements.lock
	$(RUN) -m uv pip compile --universal --python-version 3.11 --no-header --no-emit-index-url --no-annotate --generate-hashes \
	  --constraints requirements.lock --quiet infra/spark/requirements.in -o infra/spark/requirements.lock

clean: ## stop everything and remove all state
	@test ! -x $(RUN) || $(RUN) -m infra.local down --all
	rm -rf .trailguard
