"""The command line: the list of commands, each imported when it is run."""

import os
import sys

import typer

from adapters.terminal import show_whole_helps, write_what_can_be_shown
from hub.api.process_tuning import collect_seldom
from hub.commands.audit_list import AUDITING, POLICY
from hub.commands.lazy import Entry, group_of
from hub.commands.priority import is_started_for
from hub.commands.shared_views_list import SHARED_VIEWS

# What is for whom, as `hub --help` shows it.
RUNNING, OPERATING, BUILDING = "运行 Running the hub", "日常运维 Operating it", "接入与开发 For those who build"

COMMANDS = (
    Entry(
        "demo",
        "hub.commands.demo:demo",
        RUNNING,
        "演示：两省原生报文 → 适配器 → 枢纽 → 互认答复。The whole main job, live, on the embedded database.",
    ),
    Entry("migrate", "hub.commands.migrate:migrate", RUNNING, "建立或升级数据库结构。Bring the database to the newest schema."),
    Entry("serve", "hub.commands.serving:serve", RUNNING, "启动 gRPC 服务（双向 TLS）。Serve gRPC over mutual TLS."),
    Entry("project", "hub.commands.serving:project", RUNNING, "运行投影：把日志折叠成视图。Fold the journal into the views until stopped."),
    Entry(
        "seal",
        "hub.commands.seal:seal",
        RUNNING,
        "封存可验证日志，约每秒一次。Seal the log that anybody can verify, about once a second, until stopped.",
    ),
    Entry(
        "console",
        "hub.commands.console:app",
        RUNNING,
        "控制台网页：启动，及其账号与登录链接。The web console: run it, its accounts and links.",
    ),
    Entry(
        "participants",
        "hub.commands.participants:app",
        OPERATING,
        "参与方：登记、证书轮换、停用。Participants: registration, certificates, suspension.",
    ),
    Entry(
        "quarantine",
        "hub.commands.quarantine:app",
        OPERATING,
        "隔离事件：列出、查看、重新评估。Quarantined events: list, look, evaluate again.",
    ),
    Entry(
        "receipts",
        "hub.commands.receipts:app",
        OPERATING,
        "回执：签发密钥、重开回执、摘要可开启。Receipts: keys that sign them, one made again, digests that open.",
    ),
    Entry("clock", "hub.commands.clock:app", OPERATING, "日志时间超前时由运维接受。Where the journal's time is ahead of the clocks."),
    Entry("hotlist", "hub.commands.hotlist:app", OPERATING, "离线黑名单：供离线闸机。Offline hotlist for gates that cannot ask."),
    Entry(
        "rebuild",
        "hub.commands.rebuild:rebuild",
        OPERATING,
        "旁路重建视图，比对摘要后切换。Rebuild a view beside the live one, compare digests, switch.",
    ),
    Entry(
        "fsck",
        "hub.commands.fsck:fsck",
        OPERATING,
        "检查：日志无缺口、各来源编号连续、旁表与事件一致、视图等于重建。Check the journal, what is derived from it, and views.",
    ),
    Entry(
        "status",
        "hub.commands.status:status",
        OPERATING,
        "状态：是否就绪、位置、视图、数据流、数据库、证书。Readiness, position, views, feeds, database, certificates.",
    ),
    Entry(
        "doctor",
        "hub.commands.doctor:doctor",
        OPERATING,
        "体检：环境、密钥、证书、端口、数据库、日志、视图。Examine surroundings, keys, ports, database, journal, views.",
    ),
    Entry(
        "traces",
        "hub.commands.traces:traces",
        OPERATING,
        "链路：列出，或画出一条：从省级文件到答复。List traces, or draw one from a province's file to the answer.",
    ),
    Entry(
        "logs",
        "hub.commands.logs:logs",
        OPERATING,
        "查看访问日志、安全日志（含已压缩的各日），最新在后。Read the access or the security log, the newest lines last.",
    ),
    Entry(
        "backup",
        "hub.commands.backup:backup",
        OPERATING,
        "备份：运行中也可备份日志与保险库，不含密钥与视图。Back up journal and vault of a running hub; neither keys nor views.",
    ),
    Entry(
        "export",
        "hub.commands.export:app",
        OPERATING,
        "导出：把日志写成 Parquet 分段；运行中也可，只补新增，中断后接着写。Write the journal as Parquet segments, only what is new.",
    ),
    Entry(
        "archive",
        "hub.commands.archive:app",
        OPERATING,
        "归档：日志分区移出数据库，由分段保存。Partitions of the journal leave for segments, and come back.",
    ),
    Entry(
        "restore",
        "hub.commands.backup:restore",
        OPERATING,
        "恢复：把备份载入空数据库，重建视图，然后全面检查。Restore into an empty database, fold the views, check everything.",
    ),
    Entry(
        "standby",
        "hub.commands.standby:app",
        OPERATING,
        "备库：建立、运行、查看、接管。A standby: make it, run it, look at it, promote it.",
    ),
    Entry(
        "witness",
        "hub.commands.witness:app",
        POLICY,
        "见证与镜像：不依赖枢纽数据库。A witness and mirror of the log, without the hub's database.",
    ),
    Entry(
        "sql",
        "hub.commands.sql:sql",
        OPERATING,
        "只读 SQL：运行手册中的语句可照抄执行。Run one read-only SQL statement, such as the runbook's, as the schemas' owner.",
    ),
    Entry(
        "agreements",
        "hub.commands.agreements:app",
        POLICY,
        "互认约定：起草、签署、变更、中止、恢复、终止。Acceptance agreements: their whole life.",
    ),
    *SHARED_VIEWS,
    Entry(
        "check",
        "hub.commands.check:check",
        POLICY,
        "以运维身份询问一次互认：这张卡现在能否在此使用。Ask once, as the operator, whether a card may be used here, for this, now.",
    ),
    Entry(
        "scenarios",
        "hub.commands.scenarios:scenarios",
        POLICY,
        "情景：政策人员写的规则，在真实枢纽上逐一运行。Run the scenarios that policy officers write on a real hub.",
    ),
    Entry(
        "decisions",
        "hub.commands.decisions:decisions",
        POLICY,
        "查找已记录的询问与答复，最新在前；查看本身入账。Find recorded questions and answers; the look is recorded first.",
    ),
    *AUDITING,
    Entry(
        "judge",
        "hub.commands.judge:judge",
        POLICY,
        "以运维身份询问一次用卡是否有效、是否在责任期内。Ask whether a use was valid, and who bears it if the card was lost.",
    ),
    Entry(
        "usage",
        "hub.commands.usage:usage",
        POLICY,
        "用卡次数与金额：按业务日、发卡省、地区、场景；可按某时刻已知。Uses and money by day and cell, as known now or then.",
    ),
    Entry(
        "findings",
        "hub.commands.findings:app",
        POLICY,
        "异常用卡：相互矛盾的事实与申报；规则提出的发现、核查、试算。What contradicts what; findings that rules raise, and their review.",
    ),
    Entry(
        "looks",
        "hub.commands.looks:looks",
        POLICY,
        "列出谁查看过哪张卡、何时、为何、看到什么，最新在前；查看本身也入账。List who looked at which card and why; itself a look.",
    ),
    Entry(
        "rules",
        "hub.commands.rules:rules",
        POLICY,
        "列出互认规则。List the acceptance rules, what they look at and which reasons they give.",
    ),
    Entry(
        "prove",
        "hub.commands.prove:app",
        POLICY,
        "证明：证据包、包含证明、一致性证明。Proofs: evidence bundles, that an event is in the log, that the log only grew.",
    ),
    Entry(
        "verify",
        "hub.commands.verify:verify",
        POLICY,
        "核验证据包、.tlog-proof 或检查点；退出码 0 通过，1 不通过，3 仅自洽。Verify a bundle, a .tlog-proof or a checkpoint.",
    ),
    Entry(
        "sandbox",
        "hub.commands.sandbox:app",
        BUILDING,
        "沙箱：数据随时清空的枢纽、会答复的对方、可制造的故障、一张网页。A hub to make mistakes on: a partner, faults, a page.",
    ),
    Entry(
        "conformance",
        "hub.commands.conformance:app",
        BUILDING,
        "一致性：逐例评判客户端，定级铜、银、金。Conformance: a client judged trial by trial: bronze, silver, gold.",
    ),
    Entry("bench", "hub.commands.bench:app", BUILDING, "测量：同一次运行中量出上限与枢纽。Measure limit and hub in one run."),
    Entry(
        "protos",
        "hub.commands.protos:protos",
        BUILDING,
        "导出接口契约：.proto 文件及其全部依赖，解开即可编译。Write the contract: all .proto files, ready to compile.",
    ),
    Entry(
        "docs",
        "hub.commands.docs:docs",
        BUILDING,
        "重写 docs/ 中由代码和数据生成的页面和表格。Renew the pages and tables in docs/ that code and data make.",
    ),
    Entry(
        "machines",
        "hub.commands.machines:machines",
        BUILDING,
        "显示卡的五种状态机。Show the five machines of a card as state diagrams (Mermaid), or renew docs/cards.md.",
    ),
)

show_whole_helps()
app = typer.Typer(cls=group_of(*COMMANDS), no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def hub() -> None:
    """川渝社保卡“一卡通”互通枢纽。Exchange hub of the Sichuan and Chongqing social-security cards."""


def main() -> None:
    """Runs the command line; what the hub refuses, and settings or a database that do not serve, become one clear line."""
    is_started_for("hub")
    collect_seldom()
    write_what_can_be_shown()
    # Connections to the database send and read it, whatever the environment says.
    os.environ["PGCLIENTENCODING"] = "UTF8"
    try:
        app()
    except Exception as error:
        # Only here: what it needs to know of errors takes longer to import than many a command to run.
        from hub.commands.failures import lines_of

        lines = lines_of(error)
        if not lines:
            raise
        for line in lines:
            typer.echo(f"✗ {line}", err=True)
        sys.exit(1)
