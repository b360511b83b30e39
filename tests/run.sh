#!/bin/sh
# Every check of the project, as `make test` runs it: style, layers, protos, then types beside the tests on the real parts.
set -eu
bin=.venv/bin
# Tests start hundreds of processes: where bytecode is not kept, each compiles the same modules again.
unset PYTHONDONTWRITEBYTECODE
types=$(mktemp)
seen=$(mktemp -d)
memory=/dev/shm/hub-test.$$
$bin/pyrefly check --min-severity error --summary=none >"$types" 2>&1 &
checker=$!
trap 'kill "$checker" 2>/dev/null || true; rm -rf "$types" "$seen" "$memory"' EXIT
echo "style: ruff"
$bin/ruff check .
$bin/ruff format --check --quiet . || { echo "run: .venv/bin/ruff format"; exit 1; }
echo "layers: import-linter"
$bin/lint-imports --no-logo >/dev/null || { $bin/lint-imports; exit 1; }
echo "protos: buf lint, format, breaking"
$bin/buf lint protos
$bin/buf format --exit-code --diff protos --path protos/chuanyu >/dev/null || { echo "run: .venv/bin/buf format -w protos --path protos/chuanyu"; exit 1; }
(cd protos && ../$bin/buf breaking . --path chuanyu --against ../tests/protos_baseline.binpb --against-config buf.yaml)
# Nobody keeps what tests write, such as hundreds of databases: it is in memory where there is room. A run that was killed has left its own.
for left in /dev/shm/hub-test.*; do [ -d "/proc/${left##*.}" ] || rm -rf "$left" || true; done
if [ "$(df -Pk /dev/shm 2>/dev/null | awk 'END { print int($4) }')" -gt 6000000 ] &&
    [ "$(awk '/MemAvailable/ { print $2 }' /proc/meminfo)" -gt 12000000 ]; then
    mkdir -m 711 "$memory"
    export TMPDIR="$memory"
fi
echo "tests: pytest, and types: pyrefly"
# Four processes, each with a PostgreSQL of its own: on two cores, since tests wait half of their time; with more of them each costs more.
# Tests of one file share a hub, so they stay together. A server that HUB_TEST_DSN names is shared by all tests, one after the other.
if [ -n "${HUB_TEST_DSN:-}" ]; then processes=0; else processes=4; fi
failed=0
typed=0
$bin/python -m pytest -p tests.spread --processes=$processes -o cache_dir="$seen" "$@" || failed=$?
wait "$checker" || typed=1
# As CPython's own suite does: what failed beside three others runs once more alone, and both outcomes are on the screen. A fault of the
# hub fails again; what passes depended on how fast the machine was, and is mended as a fault of the test. More than three are not excused.
if [ "$failed" = 1 ] && [ "$(grep -c '::' "$seen/v/cache/lastfailed")" -le 3 ]; then
    echo "once more, alone: what failed"
    if $bin/python -m pytest --last-failed -rA -o cache_dir="$seen" "$@"; then
        echo "UNSTEADY: failed beside others and passed alone (named above)"
        failed=0
    fi
fi
cat "$types"
exit $((failed + typed))
