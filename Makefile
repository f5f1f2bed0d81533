# make demo: solve the illustrative portfolio and print its tables
# make bench: ratios against a peer, the solver and itself (hours), as results/bench.md
# make test: everything that must hold before a change is merged

PYTHON ?= $(shell for p in python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# tests start many Pythons, and each would compile the package anew
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help demo test style-and-types tests-alone bench docs format lock clean

help:
	@echo 'make demo    solve instances/stargate-us, coarse, and print what to fund and what it does to rates'
	@echo 'make test    style, types, tests, doctests and notebooks'
	@echo 'make bench   ratios of time and memory against PyPSA, the solver and itself (hours), as results/bench.md'
	@echo 'make docs    write the pages that come from the code: formulation, schema, picture of the README'
	@echo 'make format  put the code into the house style'
	@echo 'make lock    renew constraints.txt'
	@echo 'make clean   remove .venv and caches'

demo: .venv/ready
	$(BIN)/optimizer solve instances/stargate-us --set options.resolution=coarse --price-pledge -o results/stargate-us-coarse --overwrite

test: .venv/ready-for-tests
	$(MAKE) --no-print-directory -j 2 style-and-types tests-alone

style-and-types:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

tests-alone:
	$(BIN)/pytest -n auto --dist loadfile

bench: .venv/ready-for-tests
	$(BIN)/python tests/benchmarks -o results/bench.md

docs: .venv/ready-for-tests
	$(BIN)/optimizer formulation > optimizer/FORMULATION.md
	$(BIN)/optimizer schema > instances/SCHEMA.md
	$(BIN)/optimizer solve instances/stargate-us --set options.resolution=standard -o results/picture --overwrite
	$(BIN)/python instances/stargate-us/make_picture.py results/picture

format: .venv/ready-for-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed: install it, or say make PYTHON=/path/to/python'; exit 1; }
	$(PYTHON) -m venv .venv

.venv/ready: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	@touch $@

.venv/ready-for-tests: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[series,test]'
	@touch $@ .venv/ready

# the newest versions that fit pyproject.toml, from an empty environment
lock:
	@rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip --disable-pip-version-check install --quiet '.[dev]'
	@{ head -n 1 constraints.txt; .venv-lock/bin/python -m pip freeze --exclude community-plan-optimizer; } > constraints.new
	@mv constraints.new constraints.txt && rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
