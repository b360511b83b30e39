#!/bin/sh
# Every check of the project, as `make test` runs it: style, types, layers, protos, then the tests on the real parts.
set -eu
bin=.venv/bin
echo "style: ruff"
$bin/ruff check .
$bin/ruff format --check --quiet . || { echo "run: .venv/bin/ruff format"; exit 1; }
echo "types: mypy --strict"
$bin/mypy
echo "layers: import-linter"
$bin/lint-imports --no-logo >/dev/null || { $bin/lint-imports; exit 1; }
echo "protos: buf lint, format, breaking"
$bin/buf lint protos
$bin/buf format --exit-code --diff protos --path protos/chuanyu >/dev/null || { echo "run: .venv/bin/buf format -w protos --path protos/chuanyu"; exit 1; }
(cd protos && ../$bin/buf breaking . --path chuanyu --against ../tests/protos_baseline.binpb --against-config buf.yaml)
echo "tests: pytest"
# Three processes, each with a PostgreSQL of its own: on two cores, since tests wait much of their time. Tests of one file share a hub, so
# they stay together. A server that HUB_TEST_DSN names is shared by all tests, one after the other.
if [ -n "${HUB_TEST_DSN:-}" ]; then processes=0; else processes=3; fi
exec $bin/python -m pytest --numprocesses=$processes --dist=loadfile --no-loadscope-reorder "$@"
