# `make demo` sets everything up and runs the hub; `make test` sets everything up and runs the checks, `make test-slow` those that take
# longest; `make system-deps` installs what needs root.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: demo test test-slow pictures clients setup system-deps proto-baseline lock sbom clean

demo: setup
	@$(BIN)/hub demo $(ARGS)

test: prepared
	@sh tests/run.sh

# Campaigns of kills and full disks, a cluster of three whose primary is taken away, rebuilds on Spark (which need Java), and the rest of many cases.
test-slow: prepared
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirements tests/spark-requirements.txt
	@$(BIN)/python -m pytest -m slow

# A picture of every page of the console, in both languages, light and dark, wide and narrow, and of the answer to each question.
pictures: prepared
	@HUB_TEST_PICTURES=$(or $(FOLDER),dist/console) $(BIN)/python -m pytest -q tests/console/test_browser.py -m '' -k 'pictures or clicks'
	@echo "$(or $(FOLDER),dist/console)"

# What Debian's packages need is the disk, what Python's need is the network: both at once.
.PHONY: prepared
prepared:
	@$(MAKE) --no-print-directory -j2 setup system-deps-if-root

setup: .venv/.ready
	@:

.venv/.ready: pyproject.toml tests/requirements.txt protos/hatch_build.py $(wildcard protos/chuanyu/exchange/v1/*.proto)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "setting up .venv (a minute at most on the first run) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3-venv is missing: run 'make system-deps' as root"; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement tests/uv-requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirements tests/requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# What provinces build their own clients on: a Python wheel, an npm package, Java sources (docs/clients.md).
clients: setup
	@$(BIN)/python -m adapters.clients.build $(or $(FOLDER),dist/clients)

system-deps:
	@sh tests/system-deps.sh

.PHONY: system-deps-if-root
system-deps-if-root:
	@if [ "$$(id -u)" = 0 ]; then sh tests/system-deps.sh --quiet; else sh tests/system-deps.sh --only-name-missing; fi

proto-baseline: setup
	@cd protos && ../$(BIN)/buf build . --path chuanyu -o ../tests/protos_baseline.binpb

# Writes the requirements with the hashes of all files of each package, for every platform, from the pins in pyproject.toml.
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate
lock: setup
	@$(COMPILE) pyproject.toml --group dev --output-file tests/requirements.txt
	@$(COMPILE) --group build --output-file docker/build-requirements.txt
	@$(COMPILE) pyproject.toml --output-file docker/requirements.txt
	@$(COMPILE) pyproject.toml --extra spark | sed -n '/^py4j==/,/[^\\]$$/p; /^pyspark==/,/[^\\]$$/p' > tests/spark-requirements.txt
	@sed -n '/^uv==/,/[^\\]$$/p' docker/build-requirements.txt > tests/uv-requirements.txt

# The bill of materials (CycloneDX) of what a hub runs with.
sbom: setup
	@mkdir -p dist
	@$(BIN)/uv export --quiet --format cyclonedx1.5 --no-dev --output-file dist/sbom.cdx.json >/dev/null
	@echo "dist/sbom.cdx.json"

clean:
	@rm -rf dist .venv protos/gen .ruff_cache .pytest_cache .hypothesis
