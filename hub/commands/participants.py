"""`hub participants`: who may speak to the hub, with which certificates; every act is an event."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hub.admin import participants as desk
from hub.admin.participants import all_but, all_participants, changing, running, take_in, take_up, withdraw
from hub.admin.registry import register_participant
from hub.commands import quota, roles, signing
from hub.commands.database import database
from hub.commands.wording import folded
from hub.config import Config
from hub.domain.instants import LOCAL
from hub.domain.participant import PREFIX, Certificate, Participant, is_participant_name
from hub.journal.reader import reading
from hub.journal.recorder import AggregateStore
from hub.journal.streams import feed_row
from hub.trust.certificates import entry, read_certificates, unrecorded
from hub.trust.rotation import check_foreign, issue_further, sign_request, trust_authority

app = typer.Typer(help="参与方：登记、证书轮换、停用。Participants: registration, certificates, suspension.", no_args_is_help=True)

_NAME_FORM = (
    "由小写字母、数字、点和横线组成，以字母或数字开头，至多 63 个字符。"
    "It has lower-case letters, digits, dots and dashes, begins with a letter or digit, and has at most 63 characters."
)
STATES = {"VALID": "有效", "ENDED": "到期", "WITHDRAWN": "吊销", "ACTIVE": "启用", "SUSPENDED": "停用"}

Name = Annotated[str, typer.Argument(help="名称，如 sc.card-center。Name, such as sc.card-center.")]
Reason = Annotated[str, typer.Option(help="原因代码，如 KEY_LOST。Reason code, such as KEY_LOST.")]
ForeignFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="登记自有 CA 签发的证书。Register a certificate of the participant's own authority."),
]


@app.command()
def add(
    name: Name,
    province: Annotated[str, typer.Option(help="省级代码 50 或 51。Province code, 50 or 51.")],
    feed: Annotated[list[str], typer.Option(help="归其所有的数据流，可重复。Feed it owns, may be repeated.")],
    title: Annotated[str, typer.Option(help="显示名称。Title to show.")] = "",
    certificate: Annotated[bool, typer.Option(help="用本机 CA 签发证书。Issue a certificate with the local CA.")] = True,
    certificate_file: ForeignFile = None,
    role: roles.Roles = None,
    every_role: roles.EveryRole = False,
    scenario: roles.Scenarios = None,
    region: roles.Regions = None,
    issuer_region: roles.IssuerRegions = None,
    bank: roles.Banks = None,
    read: roles.Reads = None,
) -> None:
    """登记参与方、数据流与角色；没有角色则一切被拒。Register a participant, its feeds and its roles; without a role all is refused."""
    urn = PREFIX + name.removeprefix(PREFIX)
    if province not in ("50", "51"):
        raise typer.BadParameter(f"省级代码为 50 或 51，不是 {province}。The province is 50 or 51.", param_hint="--province")
    for one, hint in ((urn, "NAME"), *((PREFIX + named, "--feed") for named in feed)):
        if not is_participant_name(one):
            raise typer.BadParameter(f"{one.removeprefix(PREFIX)!r}: {_NAME_FORM}", param_hint=hint)
    parts = {"scenarios": scenario, "regions": region, "issuer_regions": issuer_region, "banks": bank, "reads": read}
    grants = roles.wanted(role, parts, every=every_role)
    directory = Config().certificates_dir
    with _desk(makes=True) as store:
        foreign = check_foreign(directory, urn, certificate_file) if certificate_file else None
        changed = register_participant(store, urn, province, title or name, feed, _now(), grants)
        with changing(store, urn) as participant:
            take_in(participant, directory, _now())
            if foreign is not None:
                take_up(participant, foreign, _now())
            files = issue_further(directory, urn) if certificate and not running(participant, _now()) else None
            take_in(participant, directory, _now())
            granted = sorted(participant.roles.items())
    typer.echo(f"{urn}: {'已登记 registered' if changed else '已有，无变化 already registered'}，数据流 feeds: {', '.join(feed)}")
    for one, scope in granted:
        typer.echo(f"角色 role: {roles.in_words(one, scope)}")
    if not granted:
        typer.echo(f"无角色，一切被拒 no roles, so all is refused; 下一步 next: hub participants grant {name} ROLE …")
    if files is not None:
        typer.echo(f"证书 certificate: {files.certificate}\n私钥 key: {files.key}\nCA: {files.authority}")


@app.command("list")
def list_participants(as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。Print JSON.")] = False) -> None:
    """列出参与方：状态、数据流、证书及剩余天数。List participants with state, feeds, certificates and their days to expiry."""
    with (
        database(Config()) as dsn,
        contextlib.closing(AggregateStore(dsn)) as store,
        reading(dsn, "hub_reader", "hub-participants") as connection,
    ):
        found = all_participants(store)
        following = {feed: at.next_sequence for one in found for feed in one.feeds if (at := feed_row(connection, feed)) is not None}
    rows = [_summary(participant, following) for participant in found]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    headings = ("参与方 participant", "省 province", "状态 state", "数据流 → 下一编号 feeds → next", "证书 certificates")
    table = Table(*map(folded, headings))
    for row in rows:
        feeds = "\n".join(f"{feed} → {sequence}" for feed, sequence in row["feeds"].items())
        certificates = "\n".join(
            f"{one['fingerprint'][:16]}  {one['days_left']:7.1f} d  {STATES[one['state']]} {one['state']} {one['reason']}".rstrip()
            for one in row["certificates"]
        )
        table.add_row(row["name"], row["province"], f"{STATES[row['state']]} {row['state']}", feeds, certificates or "—")
    Console(width=None if Console().is_terminal else 170).print(table)


@app.command()
def rotate(
    name: Name,
    withdraw_old: Annotated[bool, typer.Option("--withdraw-old", help="立即吊销旧证书。Withdraw the older ones at once.")] = False,
    csr: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="签署对方的请求，私钥不离省。Sign a request, so that the key stays there."),
    ] = None,
    certificate_file: ForeignFile = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="有效天数。Days it is valid.")] = 365,
    reason: Reason = "ROTATED",
) -> None:
    """轮换证书：新旧并行，直到吊销或到期。Issue a new certificate; the old ones are valid until they are withdrawn or end."""
    if csr is not None and certificate_file is not None:
        raise typer.BadParameter("--csr 与 --certificate-file 只能选一 either --csr or --certificate-file")
    directory, valid_for = Config().certificates_dir, timedelta(days=days)
    with _desk() as store, changing(store, name) as participant:
        take_in(participant, directory, _now())
        if certificate_file is not None:
            files, fresh = None, check_foreign(directory, participant.urn, certificate_file)
        else:
            signed = sign_request(directory, participant.urn, csr.read_bytes(), valid_for) if csr else None
            files = signed or issue_further(directory, participant.urn, valid_for)
            fresh = entry(read_certificates(files.certificate)[0])
        take_up(participant, fresh, _now())
        if withdraw_old:
            withdraw(participant, all_but(participant, fresh), reason, _now())
    _echo_rotation(participant, fresh)
    if files is not None:
        key = files.key if csr is None else "留在对方 stays with the participant"
        typer.echo(f"证书 certificate: {files.certificate}\n私钥 key: {key}\nCA: {files.authority}")


@app.command("withdraw")
def withdraw_certificates(
    name: Name,
    reason: Reason,
    fingerprint: Annotated[str, typer.Option(help="证书指纹（SHA-256，可只写前几位）。Fingerprint, SHA-256, or its first digits.")] = "",
    all_but_newest: Annotated[bool, typer.Option("--all-but-newest", help="吊销除最新外的全部。All but the one issued last.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="吊销全部，参与方将无法连接。All; the participant cannot call any more.")
    ] = False,
) -> None:
    """吊销证书：五秒内拒绝，含已打开的连接；不可恢复。Withdraw certificates for good: refused within 5 s, on open connections too."""
    if [bool(fingerprint), all_but_newest, everything].count(True) != 1:
        raise typer.BadParameter("--fingerprint、--all-but-newest、--all 三选一 one of --fingerprint, --all-but-newest, --all")
    with _desk() as store, desk.changing(store, name) as participant:
        desk.take_in(participant, Config().certificates_dir, _now())
        if fingerprint:
            chosen = [desk.named_certificate(participant, fingerprint)]
        else:
            chosen = desk.all_but_newest(participant) if all_but_newest else [c.fingerprint for c in participant.standing_certificates()]
        desk.withdraw(participant, chosen, reason, _now(), even_last=everything)
    for one in chosen:
        typer.echo(f"{participant.name}: 已吊销 withdrawn {one} ({participant.withdrawn[one]})")


@app.command()
def suspend(name: Name, reason: Reason) -> None:
    """停用参与方：五秒内拒绝，含已打开的流。Suspend a participant: refused within 5 s, on open streams too."""
    with _desk() as store, desk.changing(store, name) as participant:
        desk.suspend(participant, reason, _now())
    typer.echo(f"{participant.name}: 已停用 suspended ({reason})")


@app.command()
def resume(name: Name) -> None:
    """恢复参与方。Let a suspended participant speak again."""
    with _desk() as store, changing(store, name) as participant:
        participant.resume(_now())
    typer.echo(f"{participant.name}: 已恢复 resumed")


@app.command()
def trust(
    authority: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="对方 CA 的证书（PEM）。The authority's certificate.")],
) -> None:
    """信任参与方自有的 CA；其证书仍须逐张登记。Trust a participant's own authority; each of its certificates is still registered."""
    kept = trust_authority(Config().certificates_dir, authority)
    typer.echo(f"已信任，新连接即生效 trusted from the next connection on: {kept}")


def _echo_rotation(participant: Participant, fresh: Certificate) -> None:
    typer.echo(f"{participant.name}: 新证书 new certificate {fresh.fingerprint}, 到期 ends {_local(fresh.not_after)}")
    older = [one for one in participant.standing_certificates() if one.fingerprint != fresh.fingerprint]
    for one in older:
        typer.echo(f"仍有效 still valid: {one.fingerprint}, 到期 ends {_local(one.not_after)}")
    if older:
        # The new one may be one that was known before, so that another counts as the newest.
        which = "--all-but-newest" if participant.standing_certificates()[-1] == fresh else "--fingerprint FINGERPRINT"
        typer.echo(
            "下一步 next: 对方换用新证书后 once the participant uses the new one: "
            f"hub participants withdraw {participant.name} {which} --reason ROTATED"
        )


def _summary(participant: Participant, following: dict[str, int]) -> dict[str, Any]:
    known = [*unrecorded(Config().certificates_dir, participant), *participant.certificates.values()]
    return {
        "name": participant.name,
        "province": participant.province,
        "title": participant.title,
        "state": "SUSPENDED" if participant.is_suspended else "ACTIVE",
        "feeds": {feed: following[feed] for feed in participant.feeds if feed in following},
        "certificates": [_certificate_row(participant, one) for one in known],
    }


def _certificate_row(participant: Participant, certificate: Certificate) -> dict[str, Any]:
    reason = participant.withdrawn.get(certificate.fingerprint, "")
    return {
        "fingerprint": certificate.fingerprint,
        "serial": certificate.serial,
        "not_after": certificate.not_after.isoformat(timespec="seconds"),
        "days_left": round((certificate.not_after - _now()) / timedelta(days=1), 1),
        "state": "WITHDRAWN" if reason else "VALID" if certificate.not_after > _now() else "ENDED",
        "reason": reason,
    }


@contextlib.contextmanager
def _desk(*, makes: bool = False) -> Iterator[AggregateStore]:
    with database(Config(), makes=makes) as dsn, contextlib.closing(AggregateStore(dsn)) as store:
        yield store


def _now() -> datetime:
    return datetime.now(UTC)


def _local(instant: datetime) -> str:
    return instant.astimezone(LOCAL).isoformat(timespec="seconds")


for command in (quota.quota, roles.grant, roles.revoke, roles.roles):
    app.command()(command)
app.command("grant-as-before")(roles.grant_as_before)
app.command("signing-key")(signing.signing_key)
app.command("signing-revoke")(signing.signing_revoke)
app.command("signed-only")(signing.signed_only)
app.command("signing")(signing.signing)
