# `make demo` sets everything up and runs the hub; `make test` sets everything up and runs every check; `make system-deps` installs what needs root.

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
ARGS ?=

.PHONY: demo test setup system-deps proto-baseline clean

demo: setup
	@$(BIN)/hub demo $(ARGS)

test: setup system-deps-if-root
	@sh tests/run.sh

setup: .venv/.ready

.venv/.ready: pyproject.toml protos/hatch_build.py $(wildcard protos/chuanyu/exchange/v1/*.proto)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3-venv is missing: run 'make system-deps' as root"; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@echo "setting up .venv (a minute at most on the first run) ..."
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --editable . --group dev
	@touch $@

system-deps:
	@sh tests/system-deps.sh

.PHONY: system-deps-if-root
system-deps-if-root:
	@if [ "$$(id -u)" = 0 ]; then sh tests/system-deps.sh --quiet; else sh tests/system-deps.sh --only-name-missing; fi

proto-baseline: setup
	@cd protos && ../$(BIN)/buf build . --path chuanyu -o ../tests/protos_baseline.binpb

clean:
	@rm -rf .venv protos/gen .mypy_cache .ruff_cache .pytest_cache .hypothesis
