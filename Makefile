# Two targets matter: `make up` runs the system, `make test` tests it. Both need python3 (3.11 or later) and nothing else.

PYTHON := .venv/bin/python

.PHONY: up test check format bench clean

up: .venv/.installed
	@exec .venv/bin/kdns up

test: .venv/.test-installed
	$(PYTHON) .ci/packages.py
	$(PYTHON) -m pytest -q -n auto --dist loadscope

check: .venv/.test-installed
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

format: .venv/.test-installed
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

bench: .venv/.test-installed
	$(PYTHON) .ci/packages.py
	$(PYTHON) -m bench

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/pip:
	@echo "Making an environment of its own in .venv."
	@python3 .ci/environment.py .venv

.venv/.installed: pyproject.toml .ci/native.py $(wildcard kdns/*/*.c ipamd/*/*.c) .venv/bin/pip
	@echo "Installing kdns and ipamd into .venv: about half a minute, once."
	@$(PYTHON) -m pip install --quiet --editable .
	@touch $@

.venv/.test-installed: pyproject.toml .ci/native.py $(wildcard kdns/*/*.c ipamd/*/*.c) .venv/bin/pip
	@echo "Installing kdns, ipamd and what their tests need into .venv: about a minute, once."
	@$(PYTHON) -m pip install --quiet --editable '.[test]'
	@touch $@ .venv/.installed
