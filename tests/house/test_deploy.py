"""The deployment as files: alerts with their runbook, dashboards, collector, compose file and image.

What needs no container engine is run: the rules on made-up series by `promtool`, and the commands of compose file, image and runbook
through the product's own command line, as far as it reads its arguments.
"""

import ast
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml
from typer.core import TyperGroup

import adapters.cli
import hub.cli
from hub.config import METRICS_LISTEN, PROJECTOR_METRICS_LISTEN
from hub.telemetry import names
from hub.telemetry.instruments import Histogram, all_instruments, prometheus_name

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
PROMETHEUS = DOCKER / "prometheus"
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
DASHBOARDS = sorted((DOCKER / "grafana/dashboards").glob("*.json"))
PROGRAMS = {"hub": typer.main.get_command(hub.cli.app), "province-adapter": typer.main.get_command(adapters.cli.app)}
CHINESE = re.compile(r"[一-鿿]")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "rules/hub.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def series() -> dict[str, set[str]]:
    """The labels of every series that a process of the hub exposes, as Prometheus has scraped it."""
    found: dict[str, set[str]] = {}
    for instrument in all_instruments():
        name, labels = prometheus_name(instrument), {label.replace(".", "_") for label in instrument.labels} | {"job", "instance"}
        if isinstance(instrument, Histogram):
            found |= {f"{name}_bucket": labels | {"le"}, f"{name}_count": labels, f"{name}_sum": labels}
        else:
            found[name] = labels
    return found


def panels(dashboard: Path) -> list[dict[str, Any]]:
    return [panel for panel in json.loads(dashboard.read_text())["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> list[tuple[str, str]]:
    """Every expression of the dashboards with what it writes into the legend."""
    return [(t["expr"], t.get("legendFormat", "")) for path in DASHBOARDS for panel in panels(path) for t in panel["targets"]]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None and os.geteuid() == 0:
        pytest.fail("promtool is missing; `make system-deps` installs it")
    return found or pytest.skip("promtool is not installed: it is in Debian's package prometheus, which `make system-deps` brings")


def run(*command: str | Path) -> str:
    # A short run needs no small memory: Go would look through it for garbage again and again.
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "GOGC": "400"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("configuration", ["prometheus.yml", "bare.yml"])
def test_prometheus_takes_its_configuration_and_rules(promtool: str, configuration: str) -> None:
    assert f"{len(alerts())} rules found" in run(promtool, "check", "config", PROMETHEUS / configuration)


def test_on_a_bare_machine_prometheus_finds_both_pages_where_they_are_by_default() -> None:
    jobs = yaml.safe_load((PROMETHEUS / "bare.yml").read_text())["scrape_configs"]
    found = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    assert found == {"hub": [METRICS_LISTEN], "projections": [PROJECTOR_METRICS_LISTEN]}


@pytest.mark.slow
def test_alerts_fire_when_they_must_and_only_then(promtool: str) -> None:
    run(promtool, "test", "rules", *sorted((PROMETHEUS / "tests").glob("*.yml")))


def test_every_alert_is_tested_firing_and_silent() -> None:
    firing, silent = set(), set()
    for path in (PROMETHEUS / "tests").glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            seen = [set(re.findall(r'alertname="(\w+)"', str(check.get("exp_samples")))) for check in test["promql_expr_test"]]
            assert {check["expr"] for check in test["promql_expr_test"]} == {'ALERTS{alertstate="firing"}'}
            firing |= set[str]().union(*seen)
            # Of the very series that make it fire: the threshold, or the time it must last, is on one side or the other.
            silent |= {alert for alert in set[str]().union(*seen) if not all(alert in fired for fired in seen)}
    assert firing == silent == {alert["alert"] for alert in alerts()}


def test_what_operators_must_hear_of_has_an_alert() -> None:
    watched = {name for alert in alerts() for name in series() if re.search(rf"\b{name}\b", alert["expr"])}
    musts = (names.VIEW_LAG, names.FEED_SILENCE, names.HOLES, names.VIEW_DIFFERS, names.QUEUE_FULLNESS, names.VIEW_PARKED)
    musts += (names.CERTIFICATE_EXPIRY, names.READY, names.CLOCK_DRIFT, names.DISK_FREE, names.DATABASE_OLDEST_SNAPSHOT)
    counters = (names.REFUSALS, names.FEED_REFUSED, names.COMMIT_FAILURES, names.SPANS_DROPPED, names.LOG_LINES_DROPPED)
    assert {prometheus_name(instrument) for instrument in (*musts, *counters)} <= watched


def test_every_alert_says_in_both_languages_what_it_is_and_leads_to_its_paragraph() -> None:
    headings = re.findall(r"^### (.+)", RUNBOOK, re.MULTILINE)
    assert [alert["alert"] for alert in alerts()] == [heading for heading in headings if heading.startswith("Hub")]
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= anchors
    for alert in alerts():
        notes = alert["annotations"]
        assert notes["runbook_url"] == f"docs/runbook.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in ("warning", "critical")
        for text in (notes["summary"], notes["description"]):
            without_values = re.sub(r"\{\{.*?\}\}", "", text)
            assert CHINESE.search(without_values), text
            assert re.search("[A-Za-z]{3}", without_values), text


@pytest.mark.parametrize(
    ("expression", "legend"), [*((alert["expr"], str(alert["annotations"])) for alert in alerts()), *dashboard_expressions()]
)
def test_expressions_name_series_and_labels_that_exist(expression: str, legend: str) -> None:
    known, bare = series() | {"up": {"job", "instance"}, "ALERTS": {"alertstate"}}, re.sub(r'"[^"]*"', '""', expression)
    used = {name for name in known if re.search(rf"\b{name}\b", bare)}
    labels = set[str]().union(*(known[name] for name in used))
    assert used, expression
    for name in set(re.findall(r"\b(?:hub|rpc)_\w+", bare)) - used:
        assert name in labels, name
    for name, selector in re.findall(r"(\w+)\{([^}]*)\}", bare):
        assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= known[name], selector
    grouped = ", ".join(re.findall(r"\bby \(([^)]*)\)", bare))
    named = re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", legend)
    assert {*re.findall(r"\w+", grouped), *named} <= labels


def test_dashboards_ask_prometheus_what_it_understands(promtool: str, tmp_path: Path) -> None:
    times = {"$__rate_interval": "5m", "$__range": "6h"}
    asked = [re.sub(r"\$\w+", lambda variable: times.get(variable[0], ".*"), expression) for expression, _ in dashboard_expressions()]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run(promtool, "check", "rules", tmp_path / "panels.yml")


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_are_labelled_in_both_languages_and_laid_out_without_overlap(dashboard: Path) -> None:
    sources = yaml.safe_load((DOCKER / "grafana/provisioning/datasources/hub.yaml").read_text())["datasources"]
    board = json.loads(dashboard.read_text())
    assert board["uid"] == dashboard.stem
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert CHINESE.search(panel["title"]), panel["title"]
        assert re.search("[A-Za-z]{3}", panel["title"]), panel["title"]
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert {panel["datasource"]["uid"] for panel in panels(dashboard)} <= {source["uid"] for source in sources}


def test_collector_uses_what_it_declares_and_limits_memory_first() -> None:
    collector = yaml.safe_load((DOCKER / "otel-collector.yaml").read_text())
    service = collector["service"]
    used: dict[str, set[str]] = {"receivers": set(), "processors": set(), "exporters": set(), "extensions": set(service["extensions"])}
    for pipeline in service["pipelines"].values():
        assert pipeline["processors"][0] == "memory_limiter"
        for part, components in pipeline.items():
            used[part] |= set(components)
    assert used == {part: set(collector[part]) for part in used}
    host, _, port = collector["exporters"]["otlp_grpc/jaeger"]["endpoint"].partition(":")
    assert host in compose()["services"]
    assert port == "4317"


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DOCKER / "compose.yaml").read_text()))


def test_compose_file_keeps_to_the_compose_specification() -> None:
    schema = json.loads((ROOT / "tests/compose-spec.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(compose())


def test_compose_file_has_all_parts_each_pinned_bounded_and_without_rights_it_does_not_need() -> None:
    services = compose()["services"]
    assert {"postgres", "hub", "projections", "sichuan", "chongqing", "simulator", "otel-collector", "jaeger"} <= set(services)
    assert int(re.findall(r"postgres:(\d+)", services["postgres"]["image"])[0]) >= 16
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+\.?\d*[\w.-]*$", service["image"]), name
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"]), name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_compose_file_waits_only_for_what_can_be_waited_for_and_mounts_only_what_is_there() -> None:
    everything = compose()
    services = everything["services"]
    for name, service in services.items():
        for other, wait in service.get("depends_on", {}).items():
            checks = services[other].get("healthcheck", {"test": "the image's"} if "build" in services[other] else {})
            assert wait["condition"] != "service_healthy" or checks.get("test"), f"{name} waits for {other}"
            assert set(services[other].get("profiles", ())) <= set(service.get("profiles", ())), f"{name} waits for {other}"
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            assert (DOCKER / source).exists() if source.startswith("./") else source in everything["volumes"], mount
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    hosts = [host for job in scraped for config in job.get("dns_sd_configs", ()) for host in config["names"]]
    hosts += [target.partition(":")[0] for job in scraped for config in job.get("static_configs", ()) for target in config["targets"]]
    assert set(hosts) <= set(services)


def read_arguments(program: str, *arguments: str) -> None:
    """Lets a command line of ours read its arguments, and goes no further."""
    command, rest, parent = PROGRAMS[program], list(arguments), None
    while isinstance(command, TyperGroup):
        parent = command.make_context(program, rest, parent)
        name, found, rest = command.resolve_command(parent, [*parent._protected_args, *parent.args])
        assert found is not None, name
        command = found
    command.make_context(command.name, rest, parent)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line in compose file, image and setup script, and where it is."""
    for name, service in compose()["services"].items():
        if "build" in service:
            yield name, service["command"]
            test = service.get("healthcheck", {}).get("test", ())
            yield from [(f"healthcheck of {name}", list(test[1:]))] if test else ()
    for instruction, arguments in re.findall(r"\b(CMD) (\[.*\])", (DOCKER / "Dockerfile").read_text()):
        yield f"{instruction} of the image", json.loads(arguments)
    for line in (DOCKER / "setup.sh").read_text().splitlines():
        if line.startswith("hub "):
            yield "setup.sh", shlex.split(line)


@pytest.mark.parametrize(("where", "command"), [*commands()])
def test_commands_of_the_deployment_are_commands_of_the_product(where: str, command: list[str]) -> None:
    if command == ["setup-hub"]:
        assert "docker/setup.sh /opt/hub/bin/setup-hub" in (DOCKER / "Dockerfile").read_text()
    elif command[:2] == ["python", "-c"]:
        for statement in ast.walk(ast.parse(command[2])):
            if isinstance(statement, ast.ImportFrom):
                assert hasattr(importlib.import_module(str(statement.module)), statement.names[0].name), where
    else:
        read_arguments(*command)


def test_commands_of_the_runbook_are_commands_of_the_product() -> None:
    written = {inline or line for inline, line in re.findall(r"`(hub [^`]+)`|^(hub .+)$", RUNBOOK, re.MULTILINE)}
    for line in sorted(written):
        try:
            read_arguments(*shlex.split(line, comments=True))
        except typer.BadParameter as error:
            assert "does not exist" in error.message, f"{line}: {error.message}"
    assert len(written) > 20


def test_image_is_pinned_runs_as_nobody_special_and_ends_without_tools() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    stages = text.split("\nFROM ")
    assert all(re.match(r"(?:FROM )?python:3\.\d+\.\d+-slim-\w+\b", stage) for stage in stages[1:])
    final = stages[-1]
    assert re.search(r"^USER (\d+):\1$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*--interval.*CMD", final, re.MULTILINE)
    assert not re.search(r"apt-get|\bpip\b|\buv\b|gcc|COPY .*--from=(?!build)", final)
    assert "://" not in text
    assert len(re.findall(r"install .*--requirements? ", text)) == len(re.findall(r"install .*--require-hashes", text)) == 2


def test_image_is_built_from_what_the_engine_is_sent_and_with_the_versions_tested_here() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for sources in re.findall(r"^COPY (?!--from)(?:--chmod=\d+ )?(.*) \S+$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE):
        assert set(sources.split()) <= sent
        assert all((ROOT / source).exists() for source in sources.split())
