"""The commands `hub prove`: proofs that an outsider can check, as bundles and as single files."""

import datetime
import re
from pathlib import Path
from typing import Annotated

import typer
from chuanyu.exchange.v1 import references_pb2

from hub.audit import sealed
from hub.audit.bundle import Files, With
from hub.audit.bundle_handing import Asked, hand_over, index_now
from hub.audit.bundle_question import Question, of_card, of_decision, of_person
from hub.audit.own_policy import own_policy
from hub.audit.requests import reading
from hub.audit.requests.folder import Folder
from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.looking import Issuer, Purpose, keys_of, looker
from hub.commands.options import Force, refuse_to_replace
from hub.config import Config
from hub.domain.audit_errors import AuditNotDelivered
from hub.domain.looks import card_by_key
from hub.journal.reader import events_at
from hub.journal.sessions import session
from hub.tlog.note import encode64
from hub.trust.receipt_keys import read_receipt_keys

app = typer.Typer(
    help="证明：证据包、包含证明、一致性证明。Proofs: evidence bundles, that an event is in the log, that the log only grew.",
    no_args_is_help=True,
)
Out = Annotated[Path, typer.Option("--out", help="写到此文件。Write to this file.")]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", exists=True, dir_okay=False, help="信任策略，放入包内。The policy that goes into the bundle.")
]
Position = Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="位置。Position.")]
Number = Annotated[int, typer.Argument(min=1, max=2**63 - 1)]


@app.command()
def decision(
    position: Position,
    out: Out,
    policy: PolicyFile = None,
    rules: Annotated[bool, typer.Option("--with-rules", help="附规则与数据的档案。With the archive of rules and tables.")] = False,
    purpose: Purpose = "",
    operator: Operator = "",
    force: Force = False,
) -> None:
    """为一条答复及其依据的卡记录制作证据包。Make a bundle of a decision and the record of the card that it rests on."""
    refuse_to_replace(out, force=force)
    config = Config()
    with database(config) as dsn:
        with session(dsn, "hub_reader", "hub-bundle") as connection:
            question = of_decision(connection, position)
            (recorded,) = events_at(connection, [position])
        asked = Asked(looker(operator, purpose), purpose, recorded.event.card)
        _make(config, dsn, question, asked, policy, out, with_rules=rules)


@app.command()
def card(
    card: Annotated[str, typer.Argument(help="卡号，或枢纽的卡键（64 位十六进制）。Card number, or the hub's key of a card in hex.")],
    out: Out,
    issuer: Issuer = "",
    policy: PolicyFile = None,
    purpose: Purpose = "",
    operator: Operator = "",
    force: Force = False,
) -> None:
    """为一张卡的全部记录（或没有记录）制作证据包。Make a bundle of all that names a card, or of there being nothing."""
    refuse_to_replace(out, force=force)
    config = Config()
    with database(config) as dsn:
        keys = keys_of(config, dsn, card, issuer)
        named = card_by_key(issuer, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, keys[0])
        _make(config, dsn, of_card(keys[0]), Asked(looker(operator, purpose), purpose, named), policy, out)


@app.command()
def person(
    key: Annotated[str, typer.Argument(help="枢纽的人员键（64 位十六进制）。The hub's key of a person in hex.")],
    out: Out,
    policy: PolicyFile = None,
    purpose: Purpose = "",
    operator: Operator = "",
    force: Force = False,
) -> None:
    """为一个人的全部记录制作证据包。Make a bundle of all that names a person."""
    refuse_to_replace(out, force=force)
    if not re.fullmatch("[0-9a-f]{64}", key):
        raise typer.BadParameter("人员键是 64 位十六进制数。The key of a person is 64 hexadecimal digits.", param_hint="KEY")
    config = Config()
    with database(config) as dsn:
        _make(config, dsn, of_person(bytes.fromhex(key)), Asked(looker(operator, purpose), purpose), policy, out)


@app.command()
def feed(
    feed: Annotated[str, typer.Argument(help="数据流名。Name of the feed.")],
    first: Number,
    last: Number,
    out: Out,
    policy: PolicyFile = None,
    purpose: Purpose = "",
    operator: Operator = "",
    force: Force = False,
) -> None:
    """为一个数据流的一段编号制作证据包。Make a bundle of a run of numbers of a feed."""
    _of(Question("feed", feed=feed, first=first, last=last), out, policy, purpose, operator, force=force)


@app.command()
def day(
    day: Annotated[str, typer.Argument(help="北京时间的日期，如 2026-03-03。A day in +08:00.")],
    out: Out,
    feed: Annotated[str, typer.Option(help="只要这个数据流。Only this feed.")] = "",
    policy: PolicyFile = None,
    purpose: Purpose = "",
    operator: Operator = "",
    force: Force = False,
) -> None:
    """为一天入账的全部事件制作证据包。Make a bundle of what was recorded on a day."""
    try:
        wanted = datetime.date.fromisoformat(day).isoformat()
    except ValueError:
        raise typer.BadParameter("日期如 a day such as 2026-03-03", param_hint="DAY") from None
    _of(Question("day", day=wanted, feed=feed), out, policy, purpose, operator, force=force)


@app.command("range")
def run_of_positions(
    first: Number,
    last: Number,
    out: Out,
    policy: PolicyFile = None,
    purpose: Purpose = "",
    operator: Operator = "",
    force: Force = False,
) -> None:
    """为一段位置制作证据包。Make a bundle of a run of positions."""
    _of(Question("range", first=first, last=last), out, policy, purpose, operator, force=force)


@app.command()
def audit(
    code: Annotated[str, typer.Argument(help="审计编号，如 AU-12。Code of the audit.")],
    out: Out,
    policy: PolicyFile = None,
    purpose: Purpose = "",
    operator: Operator = "",
    force: Force = False,
) -> None:
    """为一次已交付的审计制作证据包：申请、核准、结果与报告。Make a bundle of a delivered audit: its steps, outcome and report."""
    refuse_to_replace(out, force=force)
    config = Config()
    with database(config) as dsn:
        with session(dsn, "hub_reader", "hub-audits") as connection:
            found = reading.find(connection, code)
        if found.delivered is None:
            raise AuditNotDelivered
        from hub.audit.requests.evidence import files_of

        files = files_of(Folder(config.data_dir, code), found.delivered)
        _make(config, dsn, Question("audit", audit=code), Asked(looker(operator, purpose), purpose), policy, out, files=files)


@app.command()
def event(
    position: Position,
    out: Out,
    size: Annotated[
        int,
        typer.Option(min=0, help="在此大小的检查点中，默认最新的见证过的。In the checkpoint of this size; the newest cosigned if absent."),
    ] = 0,
    force: Force = False,
) -> None:
    """写出一个事件在日志中的证明（.tlog-proof），不含内容。Write the proof that an event is in the log, without its content."""
    refuse_to_replace(out, force=force)
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-log") as connection:
        proof, leaf = sealed.inclusion(connection, position, size or sealed.cosigned_size(connection, position))
    out.write_bytes(proof.format())
    typer.echo(f"✓ 位置 position {position}，叶 leaf {leaf.hex()}，树 tree {proof.checkpoint.size}: {out}")
    typer.echo(f"核验 verify it: hub verify {out} --policy POLICY --leaf {leaf.hex()}")


@app.command()
def growth(
    first: Annotated[int, typer.Argument(min=1, help="较小的检查点。The smaller checkpoint.")],
    second: Annotated[int, typer.Argument(min=0, help="较大的，默认最新。The larger one; the newest if absent.")] = 0,
) -> None:
    """显示从一个检查点到另一个只有追加的证明。Show the proof that the log only grew from one checkpoint to another."""
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-log") as connection:
        old, new, path = sealed.consistency(connection, first, second)
    typer.echo(f"old {old.size}\nnew {new.size}")
    for one in path:
        typer.echo(encode64(one))


@app.command()
def index() -> None:
    """立即公布卡索引的根。Publish a root of the card index now."""
    with database(Config()) as dsn:
        epoch = index_now(dsn)
    typer.echo(f"✓ 位置 position {epoch.position}，涵盖大小 covers size {epoch.tree_size}，根 root {epoch.root.hex()}")


def _of(question: Question, out: Path, policy: Path | None, purpose: str, operator: str, *, force: bool) -> None:
    refuse_to_replace(out, force=force)
    config = Config()
    with database(config) as dsn:
        _make(config, dsn, question, Asked(looker(operator, purpose), purpose), policy, out)


def _make(
    config: Config,
    dsn: str,
    question: Question,
    asked: Asked,
    policy: Path | None,
    out: Path,
    *,
    with_rules: bool = False,
    files: Files = (),
) -> None:
    text = policy.read_bytes() if policy is not None else _own_policy(config, dsn)
    beside = With(text, read_receipt_keys(config.keys_dir), files=files)
    made = hand_over(dsn, question, asked, beside, out, with_rules=with_rules)
    typer.echo(f"✓ {made.entries:,} 条 entries，{made.size:,} bytes，树 tree {made.tree_size:,}，SHA-256 {made.digest.hex()}: {out}")
    given = policy or config.log_policy or "POLICY"
    typer.echo(f"核验 verify it: hub verify {out} --policy {given}")
    typer.echo(f"没有枢纽者 without the hub: python3 verify.py {out.name} --policy POLICY（程序 program: hub verify --script verify.py）")


def _own_policy(config: Config, dsn: str) -> bytes:
    with session(dsn, "hub_reader", "hub-log") as connection:
        return own_policy(connection, config.keys_dir, config.log_policy)
