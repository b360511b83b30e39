"""The command line: the one place where the parts are put together."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from hub.commands import (
    agreements,
    backup,
    clock,
    decisions,
    doctor,
    erasure,
    explain,
    findings,
    judge,
    logs,
    looks,
    machines,
    participants,
    protos,
    quarantine,
    quota,
    roles,
    rules,
    serving,
    sql,
    status,
    traces,
)
from hub.commands.address import checked_address
from hub.commands.asking import Operator, asking
from hub.commands.progress import progress
from hub.commands.refusals import in_words
from hub.config import Config, set_client_encoding, settings_in_words
from hub.database import DatabaseUnreachable, database, refuse_missing
from hub.domain.errors import HubError

app = typer.Typer(
    help="川渝社保卡“一卡通”互通枢纽。Exchange hub of the Sichuan and Chongqing social-security cards.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
bench = typer.Typer(help="测量：同一次运行中量出上限与枢纽。Measure limit and hub in one run.", no_args_is_help=True)
# What is for whom, as `hub --help` shows it.
RUNNING, OPERATING = "运行 Running the hub", "日常运维 Operating it"
POLICY, BUILDING = "政策与审计 Policy and audit", "接入与开发 For those who build"
app.add_typer(participants.app, name="participants", rich_help_panel=OPERATING)
app.add_typer(bench, name="bench", rich_help_panel=BUILDING)
app.add_typer(agreements.app, name="agreements", rich_help_panel=POLICY)
app.add_typer(quarantine.app, name="quarantine", rich_help_panel=OPERATING)
app.add_typer(erasure.app, name="erasure", rich_help_panel=POLICY)
app.add_typer(clock.app, name="clock", rich_help_panel=OPERATING)
hotlist = typer.Typer(help="离线黑名单：供离线闸机。Offline hotlist for gates that cannot ask.")
app.add_typer(hotlist, name="hotlist", rich_help_panel=OPERATING)
screen = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="最后一行输出 JSON。End with one line of JSON.")]


@app.command(rich_help_panel=RUNNING)
def demo(
    events: Annotated[int, typer.Option(help="事件总数，0 为不限。Events in all, 0 for no end.")] = 0,
    rate: Annotated[int, typer.Option(help="每秒事件数，0 为尽快。Events a second, 0 for as fast as it goes.")] = 300,
    leave: Annotated[bool, typer.Option("--exit", help="跑完即退出。Leave when done.")] = False,
    as_json: Json = False,
    seed: Annotated[int, typer.Option(help="模拟随机种子。Seed of the simulation.")] = 20250101,
) -> None:
    """演示：两省原生报文 → 适配器 → 枢纽 → 互认答复。The whole main job, live, on the embedded database."""
    from hub.demo import DemoSettings, run_demo

    settings = DemoSettings(Config(), events, 0 if leave and events else rate, leave, as_json, seed)
    raise typer.Exit(run_demo(settings, progress))


@app.command(rich_help_panel=RUNNING)
def migrate() -> None:
    """建立或升级数据库结构。Bring the database to the newest schema."""
    from hub.projections import PROJECTIONS, runner
    from hub.projections.engine import create_views

    with database(Config(), makes=True) as dsn, runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
    typer.echo("数据库已是最新结构。The database is up to date.")


@app.command(rich_help_panel=OPERATING)
def rebuild(
    view: Annotated[str, typer.Argument(help="视图名，all 为全部。Name of the view, or all.")],
    even_if_different: Annotated[bool, typer.Option(help="与现有不同也切换（改过投影时）。Switch even if it differs.")] = False,
) -> None:
    """旁路重建视图，比对摘要后切换。Rebuild a view beside the live one, compare digests, switch."""
    from hub.projections import PROJECTIONS, runner
    from hub.projections.engine import create_views
    from hub.projections.rebuild import rebuild as build_beside

    chosen = [p for p in PROJECTIONS if view in (p.name, "all")]
    if not chosen:
        raise typer.BadParameter(f"没有这个视图，可用 no such view; one of: {', '.join(p.name for p in PROJECTIONS)}, all")
    with database(Config()) as dsn, runner.connect(dsn) as connection, progress() as report:
        create_views(connection, PROJECTIONS)
        for projection in chosen:
            result = build_beside(connection, projection, even_if_different=even_if_different, report=report)
            verdict = "一致 equal" if result.is_equal else "不同 different"
            typer.echo(f"{projection.name}: 位置 position {result.position}, {verdict}, 已切换 switched, {result.fresh_digest[:16]}…")


@app.command(rich_help_panel=OPERATING)
def fsck(
    as_json: Json = False,
    views: Annotated[bool, typer.Option(help="把视图与重建结果比对。Compare the views with a rebuild.")] = True,
    identifiers: Annotated[bool, typer.Option(help="逐条查找明文标识。Look for identifiers in clear in every event.")] = False,
) -> None:
    """检查：日志无缺口、各来源编号连续、视图等于重建。Check journal, feeds and views."""
    from dataclasses import asdict

    from hub.audit.fsck import check as check_all
    from hub.commands.wording import views_in_words
    from hub.projections import PROJECTIONS, runner
    from hub.projections.engine import create_views

    with database(Config()) as dsn, progress() as report:
        with runner.connect(dsn) as connection:
            create_views(connection, PROJECTIONS)
        findings = check_all(dsn, report, with_views=views, with_identifiers=identifiers)
    for problem in findings.problems:
        typer.echo(f"✗ {problem}")
    if identifiers:
        typer.echo(
            f"{'✗' if findings.clear_identifiers else '✓'} 逐条查找了明文标识 looked into every event for identifiers in clear, "
            f"发现 found {findings.clear_identifiers}: 标识字段 their own fields; 文本中 in texts "
            "ID numbers 证号 (18, check digit), bank accounts 账号 (62…, 16-19 digits, check digit), "
            "mobile numbers 手机号 (11 digits), card numbers 卡号 (a letter and 8 digits that are no day)"
        )
    typer.echo(
        f"{'✓' if findings.is_clean else '✗'} {findings.events:,} 个事件 events, 缺口 holes {findings.holes}, "
        f"视图 views {views_in_words(findings.views)}"
    )
    if as_json:
        typer.echo(json.dumps({**asdict(findings), "clean": findings.is_clean}))
    raise typer.Exit(0 if findings.is_clean else 1)


@app.command(rich_help_panel=POLICY)
def check(
    card_no: Annotated[str, typer.Argument(help="社会保障卡卡号。Card number, nine characters.")],
    issuer: Annotated[str, typer.Option(help="发卡省 50 或 51。Issuing province.")],
    scenario: Annotated[str, typer.Option(help="场景代码，如 TRA.MET。Scenario code.")] = "GOV.ID",
    region: Annotated[str, typer.Option(help="用卡地区划代码。Serving region.")] = "510100",
    medium: Annotated[str, typer.Option(help="介质：CONTACT CONTACTLESS ECARD_QR …。Medium.")] = "CONTACT",
    operator: Operator = "",
    target: Annotated[str, typer.Option(help="枢纽地址。Hub to ask.", callback=checked_address)] = "",
    as_json: Json = False,
) -> None:
    """以运维身份询问一次互认：这张卡现在能否在此使用。Ask once, as the operator, whether a card may be used here, for this, now."""
    from hub.ask import ask_once

    with asking(Config(), target, operator) as (channel, metadata):
        ask_once(channel, metadata, issuer, card_no, scenario, region, medium, as_json)


@hotlist.callback(invoke_without_command=True)
def hotlist_root(
    context: typer.Context,
    public_key: Annotated[bool, typer.Option("--public-key", help="打印验签公钥。Print the key that signatures are checked with.")] = False,
) -> None:
    """离线黑名单：公钥、发布。Offline hotlist: its public key, and publishing it."""
    from hub.journal.hotlist_key import open_hotlist_key

    if public_key:
        refuse_missing(config := Config())
        typer.echo(open_hotlist_key(config.keys_dir).public.hex())
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@hotlist.command("build")
def hotlist_build(
    snapshot: Annotated[bool, typer.Option("--snapshot", help="发布全量，不发增量。Publish a snapshot even if a delta would do.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="从头折叠其视图。Fold its views from the beginning.")] = False,
    stale_after: Annotated[int, typer.Option(min=1, max=2_000_000_000, help="过期秒数。Seconds after which it is stale.")] = 86_400,
    as_json: Json = False,
) -> None:
    """制作并发布下一期离线黑名单。Make and publish the next epoch of the offline hotlist."""
    from hub.api.hotlist_publisher import publish
    from hub.api.request import now_us
    from hub.domain import reference
    from hub.journal.hotlist_key import open_hotlist_key
    from hub.journal.keyring import open_keyring

    config = Config()
    with database(config) as dsn:
        keyring, key = open_keyring(config.keys_dir), open_hotlist_key(config.keys_dir)
        entry = publish(dsn, keyring, key, reference.load(), now_us(), as_snapshot=snapshot, anew=anew, stale_after_s=stale_after)
    kind = "全量 snapshot" if entry.epoch == entry.base_epoch else f"增量 delta over {entry.base_epoch}"
    typer.echo(
        f"第 {entry.epoch} 期 epoch {entry.epoch}: {kind}, 位置 position {entry.position}, "
        f"列入 listed {entry.listed:,} / {entry.issued:,}, 无法列名 unlistable {entry.unlistable}, {entry.size_bytes:,} bytes"
    )
    if as_json:
        typer.echo(json.dumps({**entry._asdict(), "digest": entry.digest.hex()}))


@app.command(rich_help_panel=POLICY)
def scenarios(
    as_json: Json = False,
    directory: Annotated[Path, typer.Option("--dir", help="情景文件目录。Directory of scenario files.")] = Path("tests/scenarios"),
    write_docs: Annotated[bool, typer.Option("--write-docs", help="重写 docs/scenarios.md。Write docs/scenarios.md anew.")] = False,
) -> None:
    """情景：政策人员写的规则，在真实枢纽上逐一运行。Run the scenarios that policy officers write on a real hub."""
    from hub.scenarios.command import run_scenarios, write_page

    if write_docs:
        typer.echo(write_page(directory))
        return
    with progress() as report:
        code = run_scenarios(directory, report, Console(stderr=as_json))
    raise typer.Exit(code)


for panel, commands in {
    RUNNING: (serving.serve, serving.project),
    OPERATING: (status.status, doctor.doctor, traces.traces, logs.logs, backup.backup, backup.restore, sql.sql),
    POLICY: (decisions.decisions, explain.explain, judge.judge, findings.findings, looks.looks, rules.rules),
    BUILDING: (protos.protos, machines.machines),
}.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
participants.app.command()(quota.quota)
participants.app.command()(roles.grant)
participants.app.command()(roles.revoke)
participants.app.command()(roles.roles)
participants.app.command("grant-as-before")(roles.grant_as_before)


Telemetry = Annotated[Literal["on", "off"], typer.Option(help="枢纽是否带观测。Whether the hub is observed.")]


@bench.command("telemetry")
def bench_telemetry(as_json: Json = False, seconds: Annotated[float, typer.Option(help="每档秒数。Seconds a row.")] = 9.0) -> None:
    """观测的开销：同一次运行中，带观测 对 不带。What telemetry costs: with it against without, in turns."""
    from hub.bench.telemetry import measure

    _finish(measure(Config(), seconds, screen.print), as_json)


@bench.command("ingest")
def bench_ingest(
    as_json: Json = False,
    telemetry: Telemetry = "on",
    batches: Annotated[int, typer.Option(help="每条流的批数。Batches a stream.")] = 100,
    flat: Annotated[
        bool, typer.Option("--flat", help="比较 10 万与 500 万事件时的开销。Compare the cost at 100 thousand and 5 million events.")
    ] = False,
) -> None:
    """接入：完整路径 对 裸 COPY。The whole way in against raw binary COPY."""
    from hub.bench.ingest import measure, measure_flat

    _finish(
        measure_flat(Config(), screen.print) if flat else measure(Config(), batches, screen.print, telemetry=telemetry == "on"), as_json
    )


@bench.command("check")
def bench_check(
    as_json: Json = False,
    telemetry: Telemetry = "on",
    seconds: Annotated[float, typer.Option(help="每档秒数。Seconds a row.")] = 4.0,
    cards: Annotated[
        int, typer.Option(help="先装入这么多张卡，与一万张相比。Fill the registry with so many cards first, against ten thousand.")
    ] = 0,
) -> None:
    """答复：有记录的答复 对 空调用。Recorded answers against an empty call."""
    from hub.bench import check, registry

    if cards:
        measured = registry.measure(Config(), cards, seconds, screen.print)
    else:
        measured = check.measure(Config(), seconds, screen.print, telemetry=telemetry == "on")
    _finish(measured, as_json)


@bench.command("project")
def bench_project(as_json: Json = False, events: Annotated[int, typer.Option(help="事件数。Events.")] = 1_000_000) -> None:
    """投影：卡状态折叠 对 裸页读取。Card standing against raw binary page reads."""
    from hub.bench.project import measure

    _finish(measure(Config(), events, screen.print), as_json)


@bench.command("quota")
def bench_quota(as_json: Json = False, seconds: Annotated[float, typer.Option(help="每轮秒数。Seconds a turn.")] = 5.0) -> None:
    """配额：十倍于配额的参与方 对 另一方的时延。One participant at ten times its quota against the other's p99."""
    from hub.bench.quota import measure

    _finish(measure(Config(), seconds, screen.print), as_json)


@bench.command("backup")
def bench_backup(as_json: Json = False, events: Annotated[int, typer.Option(help="事件数。Events.")] = 1_000_000) -> None:
    """备份：整库备份 对 裸 COPY 读取；备份时的写入 对 平时。A backup against raw reads; writers beside it against alone."""
    from hub.bench.backup import measure

    _finish(measure(Config(), events, screen.print), as_json)


@bench.command("hotlist")
def bench_hotlist(
    as_json: Json = False,
    issued: Annotated[int, typer.Option(help="已发卡数。Cards issued.")] = 18_500_000,
    listed: Annotated[list[int] | None, typer.Option(help="列入数，可重复；默认一万、十万、百万。Cards listed, may be repeated.")] = None,
) -> None:
    """离线黑名单：大小与制作时间。Size of a hotlist and the time to make it."""
    from hub.bench.hotlist import measure

    _finish(measure(issued, listed or [10_000, 100_000, 1_000_000], screen.print), as_json)


@bench.command("faults")
def bench_faults(
    as_json: Json = False,
    rounds: Annotated[int, typer.Option(min=1, help="轮数。Rounds.")] = 200,
    seed: Annotated[int, typer.Option(help="随机种子：同种子同计划。The same seed gives the same plan.")] = 1,
    rate: Annotated[int, typer.Option(min=1, help="每秒事件数。Events a second.")] = 150,
) -> None:
    """故障：整套系统在流量下反复重启、强杀、暂停，逐件核对。A system restarted and killed under traffic, every event compared."""
    from hub.bench.faults import measure, plan

    result = measure(seed, plan(seed, rounds), rate, screen.print)
    _finish(result, as_json)
    raise typer.Exit(0 if result["sound"] else 1)


@bench.command("hostile")
def bench_hostile(
    as_json: Json = False,
    seconds: Annotated[float, typer.Option(help="每种攻击的秒数。Seconds an attack.")] = 8.0,
    only: Annotated[list[str] | None, typer.Option(help="只做这些攻击，可重复。Only these attacks, may be repeated.")] = None,
) -> None:
    """攻击：一方攻击时另一方的时延 对 平时；只对本机。One attacks, another asks: its p99 against the quiet one. Loopback only."""
    from hub.bench.hostile.measure import measure

    result = measure(Config(), seconds, only or [], screen.print)
    _finish(result, as_json)
    raise typer.Exit(0 if result["holds"] else 1)


def _finish(result: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else json.dumps(result, ensure_ascii=False, indent=2))


def main() -> None:
    """Runs the command line; what the hub refuses, and settings or a database that do not serve, become one clear line."""
    from eventsourcing.persistence import PersistenceError
    from psycopg import OperationalError
    from pydantic import ValidationError

    from hub.commands.wording import write_what_can_be_shown
    from hub.embedded import EmbeddedPostgresError

    write_what_can_be_shown()
    set_client_encoding()
    try:
        app()
    except HubError as error:
        lines = [in_words(error)]
    except EmbeddedPostgresError as error:
        lines = [f"内嵌数据库 the embedded database: {error}"]
    except (OperationalError, PersistenceError) as error:
        lines = [str(DatabaseUnreachable(error))]
    except ValidationError as error:
        if error.title != Config.__name__:
            raise
        lines = settings_in_words(error)
    for line in lines:
        typer.echo(f"✗ {line}", err=True)
    sys.exit(1)
