PYTHON ?= $(shell command -v python3.11 || command -v python3)

# The extras are installed once per change of pyproject.toml; each target makes what it lacks.
.venv/run: pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/test: pyproject.toml .venv/run
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

.PHONY: demo test check torture clean
demo: .venv/run
	.venv/bin/trawl demo

test: .venv/test
	PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/check
	PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/test

check: .venv/test
	PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/check

# Kills, full disks, signals and a long crawl: half an hour or more, and no part of the tests.
torture: .venv/test
	.venv/bin/python -m tests.torture

clean:
	rm -rf .venv trawl-demo
