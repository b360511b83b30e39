"""The commands `hub bench`: measure limit and hub in one run."""

from typing import Annotated, Literal

import typer

import hub.bench.backup
import hub.bench.bundle
import hub.bench.check
import hub.bench.console
import hub.bench.export
import hub.bench.failover.measure
import hub.bench.faults
import hub.bench.fsck
import hub.bench.funds
import hub.bench.hostile.measure
import hub.bench.hotlist
import hub.bench.ingest
import hub.bench.kpi
import hub.bench.project
import hub.bench.quota
import hub.bench.rebuild
import hub.bench.registry
import hub.bench.replay
import hub.bench.seal
import hub.bench.settling
import hub.bench.steady
import hub.bench.tampering.campaign
import hub.bench.telemetry
import hub.bench.views
import hub.bench.witnessed
from hub.commands.bench_findings import bench_findings
from hub.commands.bench_load import bench_load, finish, screen
from hub.commands.options import Json
from hub.config import Config

app = typer.Typer(help="测量：同一次运行中量出上限与枢纽。Measure limit and hub in one run.", no_args_is_help=True)

Telemetry = Annotated[Literal["on", "off"], typer.Option(help="枢纽是否带观测。Whether the hub is observed.")]
app.command("findings")(bench_findings)
app.command("load")(bench_load)


@app.command("telemetry")
def bench_telemetry(as_json: Json = False, seconds: Annotated[float, typer.Option(help="每档秒数。Seconds a row.")] = 9.0) -> None:
    """观测的开销：同一次运行中，带观测 对 不带。What telemetry costs: with it against without, in turns."""
    finish(hub.bench.telemetry.measure(Config(), seconds, screen.print), as_json)


@app.command("ingest")
def bench_ingest(
    as_json: Json = False,
    telemetry: Telemetry = "on",
    batches: Annotated[int, typer.Option(help="每条流的批数。Batches a stream.")] = 100,
    flat: Annotated[
        bool, typer.Option("--flat", help="比较 10 万与 500 万事件时的开销。Compare the cost at 100 thousand and 5 million events.")
    ] = False,
) -> None:
    """接入：完整路径 对 裸 COPY。The whole way in against raw binary COPY."""
    finish(
        hub.bench.ingest.measure_flat(Config(), screen.print)
        if flat
        else hub.bench.ingest.measure(Config(), batches, screen.print, telemetry=telemetry == "on"),
        as_json,
    )


@app.command("seal")
def bench_seal(
    as_json: Json = False,
    batches: Annotated[int, typer.Option(help="每条流的批数。Batches a stream.")] = 60,
    rate: Annotated[int, typer.Option(min=1_000, help="每秒事件数。Events a second.")] = 20_000,
    seconds: Annotated[float, typer.Option(min=2, help="加载秒数。Seconds of load at that rate.")] = 15.0,
    witnessed: Annotated[
        bool,
        typer.Option("--witnessed", help="只比较有封存与见证时的接入和答复。Only compare intake and answers with sealing and a witness."),
    ] = False,
) -> None:
    """封存：叶子与封存的开销 对 同次接入；加载时与强杀后的未封存；证明。Leaf and sealing against ingest; the unsealed tail; proofs."""
    if witnessed:
        finish(hub.bench.witnessed.measure(Config(), batches, seconds, screen.print), as_json)
        return
    finish(hub.bench.seal.measure(Config(), batches, rate, seconds, screen.print), as_json)


@app.command("bundle")
def bench_bundle(
    as_json: Json = False,
    events: Annotated[int, typer.Option(min=5_000, help="模拟事件数。Events of the simulator.")] = 60_000,
    keys: Annotated[int, typer.Option(min=0, help="另有多少卡和人在索引中。Further keys in the index.")] = 1_000_000,
    day: Annotated[int, typer.Option(min=1_000, help="一天的事件数。Events of the day.")] = 1_000_000,
    pythons: Annotated[
        bool, typer.Option("--pythons", help="只由此机各版本的 Python 核验。Only have each version of Python that is here verify one.")
    ] = False,
) -> None:
    """证据：卡索引的开销与证明，答复与一天的证据包的大小、制作与核验。The card index, and bundles of a decision and of a day."""
    if pythons:
        finish(hub.bench.bundle.measure_pythons(Config(), screen.print), as_json)
        return
    finish(hub.bench.bundle.measure(Config(), events, keys, day, screen.print), as_json)


@app.command("check")
def bench_check(
    as_json: Json = False,
    telemetry: Telemetry = "on",
    seconds: Annotated[float, typer.Option(help="每档秒数。Seconds a row.")] = 4.0,
    cards: Annotated[
        int, typer.Option(help="先装入这么多张卡，与一万张相比。Fill the registry with so many cards first, against ten thousand.")
    ] = 0,
) -> None:
    """答复：有记录的答复 对 空调用。Recorded answers against an empty call."""
    if cards:
        measured = hub.bench.registry.measure(Config(), cards, seconds, screen.print)
    else:
        measured = hub.bench.check.measure(Config(), seconds, screen.print, telemetry=telemetry == "on")
    finish(measured, as_json)


@app.command("project")
def bench_project(
    as_json: Json = False,
    events: Annotated[int, typer.Option(help="事件数。Events.")] = 1_000_000,
    all_views: Annotated[
        bool,
        typer.Option("--all", help="每个视图每事件的 CPU 微秒，Python 与 PostgreSQL 分列。CPU of each view, Python and PostgreSQL apart."),
    ] = False,
    steady: Annotated[
        bool, typer.Option("--steady", help="按固定速率写入并作答：各视图滞后。Fixed rate while questions are answered: each view's lag.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=5, help="--steady 每轮秒数。Seconds of each of the two runs.")] = 60.0,
    rate: Annotated[int, typer.Option(min=100, help="--steady 每秒事件数。Events a second.")] = 5_000,
) -> None:
    """投影：卡状态折叠（或全部视图） 对 裸页读取。Card standing, or all views, against raw binary page reads."""
    if steady:
        finish(hub.bench.steady.measure(Config(), seconds, rate, screen.print), as_json)
        return
    measure = hub.bench.views.measure if all_views else hub.bench.project.measure
    finish(measure(Config(), events, screen.print), as_json)


@app.command("quota")
def bench_quota(as_json: Json = False, seconds: Annotated[float, typer.Option(help="每轮秒数。Seconds a turn.")] = 5.0) -> None:
    """配额：十倍于配额的参与方 对 另一方的时延。One participant at ten times its quota against the other's p99."""
    finish(hub.bench.quota.measure(Config(), seconds, screen.print), as_json)


@app.command("backup")
def bench_backup(as_json: Json = False, events: Annotated[int, typer.Option(help="事件数。Events.")] = 1_000_000) -> None:
    """备份：整库备份 对 裸 COPY 读取；备份时的写入 对 平时。A backup against raw reads; writers beside it against alone."""
    finish(hub.bench.backup.measure(Config(), events, screen.print), as_json)


@app.command("export")
def bench_export(as_json: Json = False, events: Annotated[int, typer.Option(help="事件数。Events.")] = 1_000_000) -> None:
    """导出：写入进行时导出；由分段多进程重建 对 由日志重建。Export under load; rebuilds from segments against rebuilds from the journal."""
    finish(hub.bench.export.measure(Config(), events, screen.print), as_json)


@app.command("rebuild")
def bench_rebuild(
    as_json: Json = False, events: Annotated[int, typer.Option(min=1, help="事件数；再量十倍。Events, then ten times.")] = 100_000
) -> None:
    """重建：由分段多进程折叠视图 对 裸读分段；十倍事件时的内存。Views from segments in processes against raw reads; memory at ten times."""
    finish(hub.bench.rebuild.measure(Config(), events, screen.print), as_json)


@app.command("replay")
def bench_replay(
    as_json: Json = False, events: Annotated[int, typer.Option(min=10_000, help="事件数；再量十倍。Events, then ten times.")] = 100_000
) -> None:
    """重放：一张卡的两种时间、答复重新裁决、换规则、视图重新折叠；十倍事件时的内存。Replays, at some events and at ten times as many."""
    finish(hub.bench.replay.measure(Config(), events, screen.print), as_json)


@app.command("hotlist")
def bench_hotlist(
    as_json: Json = False,
    issued: Annotated[int, typer.Option(help="已发卡数。Cards issued.")] = 18_500_000,
    listed: Annotated[list[int] | None, typer.Option(help="列入数，可重复；默认一万、十万、百万。Cards listed, may be repeated.")] = None,
) -> None:
    """离线黑名单：大小与制作时间。Size of a hotlist and the time to make it."""
    finish(hub.bench.hotlist.measure(issued, listed or [10_000, 100_000, 1_000_000], screen.print), as_json)


@app.command("console")
def bench_console(
    as_json: Json = False,
    events: Annotated[int, typer.Option(min=1_000, help="事件数。Events in the journal.")] = 200_000,
    rate: Annotated[int, typer.Option(min=100, help="同时流入，每秒事件数。Events a second that flow in meanwhile.")] = 1_000,
    seconds: Annotated[float, typer.Option(min=5, help="每轮秒数。Seconds of each run.")] = 30.0,
    kills: Annotated[int, typer.Option(min=0, help="在查看与页面之间杀死的次数。Kills between look and page.")] = 1_000,
) -> None:
    """控制台：页面与刷新的 p95，五十个标签页占接入的份额，强杀后有无未入账的查看。Pages, refreshes, fifty tabs beside ingest, kills."""
    result = hub.bench.console.measure(Config(), events, rate, seconds, kills, screen.print)
    finish(result, as_json)
    raise typer.Exit(1 if result["kills"].get("unrecorded") else 0)


@app.command("faults")
def bench_faults(
    as_json: Json = False,
    rounds: Annotated[int, typer.Option(min=1, help="轮数。Rounds.")] = 200,
    seed: Annotated[int, typer.Option(help="随机种子：同种子同计划。The same seed gives the same plan.")] = 1,
    rate: Annotated[int, typer.Option(min=1, help="每秒事件数。Events a second.")] = 150,
) -> None:
    """故障：整套系统在流量下反复重启、强杀、暂停，逐件核对。A system restarted and killed under traffic, every event compared."""
    result = hub.bench.faults.measure(seed, hub.bench.faults.plan(seed, rounds), rate, screen.print)
    finish(result, as_json)
    raise typer.Exit(0 if result["sound"] else 1)


@app.command("failover")
def bench_failover(
    as_json: Json = False,
    rounds: Annotated[int, typer.Option(min=1, help="轮数。Rounds.")] = 20,
    seed: Annotated[int, typer.Option(help="随机种子：同种子同计划。The same seed gives the same plan.")] = 1,
    rate: Annotated[int, typer.Option(min=1, help="每秒事件数。Events a second.")] = 150,
) -> None:
    """主备切换：流量下让主库消失，量首个新确认的时间，逐件核对。The primary is taken away under traffic, every event compared."""
    failover = hub.bench.failover.measure
    result = failover.measure(seed, failover.plan(seed, rounds), rate, screen.print)
    finish(result, as_json)
    raise typer.Exit(0 if result["sound"] else 1)


@app.command("hostile")
def bench_hostile(
    as_json: Json = False,
    seconds: Annotated[float, typer.Option(help="每种攻击的秒数。Seconds an attack.")] = 8.0,
    only: Annotated[list[str] | None, typer.Option(help="只做这些攻击，可重复。Only these attacks, may be repeated.")] = None,
) -> None:
    """攻击：一方攻击时另一方的时延 对 平时；只对本机。One attacks, another asks: its p99 against the quiet one. Loopback only."""
    result = hub.bench.hostile.measure.measure(Config(), seconds, only or [], screen.print)
    finish(result, as_json)
    raise typer.Exit(0 if result["holds"] else 1)


@app.command("fsck")
def bench_fsck(as_json: Json = False, events: Annotated[int, typer.Option(min=1, help="事件数。Events.")] = 1_000_000) -> None:
    """检查：日志、旁表与日志树的核对 对 裸读。The check of journal, what is beside it and the log, against raw reads."""
    finish(hub.bench.fsck.measure(Config(), events, screen.print), as_json)


@app.command("settle")
def bench_settle(
    as_json: Json = False,
    events: Annotated[int, typer.Option(min=1_000, help="模拟用卡事件数。Simulated events.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="随机种子。Seed.")] = 1,
) -> None:
    """结算：多窗口出账之和 对 模拟数据在 SQL 中的独立求和，到分。Statements against an independent sum in SQL, to the fen."""
    result = hub.bench.settling.measure(Config(), events, seed, screen.print)
    finish(result, as_json)
    raise typer.Exit(0 if result["equal"] and result["verified"] else 1)


@app.command("funds")
def bench_funds(
    as_json: Json = False,
    rows: Annotated[int, typer.Option(min=1_000, help="批次的行数。Rows of the batch.")] = 100_000,
    rows_per_s: Annotated[int, typer.Option(min=100, help="每秒送来的行数。Rows that come each second.")] = 2_100,
) -> None:
    """资金发放：边答复核验边入账的行每秒 对 要求的 2,100；批次多久结束。Rows a second while checks are answered; time to close."""
    finish(hub.bench.funds.measure(Config(), rows, rows_per_s, screen.print), as_json)


@app.command("kpi")
def bench_kpi(
    as_json: Json = False,
    events: Annotated[int, typer.Option(min=10_000, help="模拟事件数。Simulated events.")] = 1_000_000,
    times: Annotated[int, typer.Option(min=1, help="所存代表多少倍的事件。How many times what is kept is there.")] = 1,
    payees: Annotated[int, typer.Option(min=0, help="此外新增领取并获发放的人数。People who become eligible and are paid.")] = 0,
) -> None:
    """指标：任意日期与位置的答复毫秒数；所存与重算逐格相等。Milliseconds of an answer; what is kept is what the events come to again."""
    result = hub.bench.kpi.measure(Config(), events, screen.print, times, payees)
    finish(result, as_json)
    raise typer.Exit(0 if result["equal"] else 1)


@app.command("tampering")
def bench_tampering(
    as_json: Json = False,
    seeds: Annotated[int, typer.Option(min=1, help="每种篡改的种子数。Seeds of each kind.")] = 200,
    first_seed: Annotated[int, typer.Option(min=0, help="首个种子。The first seed.")] = 1,
    controls: Annotated[int, typer.Option(min=0, help="未动过的核对次数。Checks of what nobody touched.")] = 1_000,
    kind: Annotated[list[str] | None, typer.Option(help="只做这些种类，如 byte flipped。Only these kinds.")] = None,
) -> None:
    """篡改：以超级用户逐种篡改真实记录，须按名查出；未动过的须无误报。Each kind of tampering is to be found by name, and nothing else."""
    result = hub.bench.tampering.campaign.measure(Config(), range(first_seed, first_seed + seeds), controls, screen.print, kind or ())
    finish(result, as_json)
    raise typer.Exit(0 if result["sound"] else 1)
