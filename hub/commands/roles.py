"""`hub participants grant`, `revoke`, `roles`, `grant-as-before`: what a participant may do, and how far; none by default."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from hub.admin.participants import all_participants, find_participant
from hub.admin.roles import AS_BEFORE, as_before, grant_roles, grants_of, revoke_role
from hub.commands.database import database
from hub.commands.roles_page import MEANINGS, write
from hub.commands.wording import folded, screen, whole
from hub.commands.wording import table as lined_table
from hub.config import Config
from hub.domain import reference
from hub.domain.roles import Grant, Scope, every_role
from hub.journal.recorder import AggregateStore

# Role: name in Chinese, and what it lets its participant do.
PARTS = {"scenarios": "场景 scenarios", "regions": "区划 regions", "issuer_regions": "发卡地 issuing regions", "banks": "银行 banks"}

Name = Annotated[str, typer.Argument(help="名称，如 cq.museum。Name, such as cq.museum.")]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", help="角色，可重复；见 `hub participants roles`。Role, may be repeated; see `hub participants roles`."),
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option("--scenario", help="SERVICE_POINT 的场景，如 CUL.MUS、TRA.*，可重复。Scenarios of a SERVICE_POINT, may be repeated."),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region", help="SERVICE_POINT、SERVICE_WINDOW 的区划前缀，如 5001，可重复。Prefixes of serving regions, may be repeated."
    ),
]
IssuerRegions = Annotated[
    list[str] | None,
    typer.Option("--issuer-region", help="ISSUER 只限这些发卡地前缀，可重复。Narrows an ISSUER to prefixes of issuing regions."),
]
Banks = Annotated[
    list[str] | None, typer.Option("--bank", help="BANK 只限这些银行代码，可重复。Narrows a BANK to codes of banks, may be repeated.")
]
Reads = Annotated[
    list[str] | None,
    typer.Option("--read", help="READER 订阅什么，如 OWN_EVENTS、AGREEMENTS，可重复。What a READER reads, may be repeated."),
]
EveryRole = Annotated[
    bool,
    typer.Option(
        "--every-role", help="全部角色，范围最宽：一省只有一个系统时用。Every role at its widest: where a province has one system for all."
    ),
]


def wanted(roles: Sequence[str] | None, parts: Mapping[str, Sequence[str] | None], *, every: bool) -> list[Grant]:
    """Returns the grants that an operator's options mean; raises what is wrong with them."""
    if every and (roles or any(parts.values())):
        raise typer.BadParameter("--every-role 不与其他角色选项并用 goes with no other option of roles", param_hint="--every-role")
    if every:
        return list(every_role())
    return grants_of(roles or (), {part: values for part, values in parts.items() if values}, reference.load())


def grant(
    name: Name,
    role: Annotated[list[str], typer.Argument(help="角色，可多个。Role, or several.")],
    scenario: Scenarios = None,
    region: Regions = None,
    issuer_region: IssuerRegions = None,
    bank: Banks = None,
    read: Reads = None,
) -> None:
    """授予角色；已有的角色改用新范围。两秒内生效。Grant roles; one it has gets the new scope. Every edge follows within two seconds."""
    parts = {"scenarios": scenario, "regions": region, "issuer_regions": issuer_region, "banks": bank, "reads": read}
    grants = wanted(role, parts, every=False)
    with _store() as store:
        changed = grant_roles(store, name, grants, _now())
    for one in grants:
        verdict = "已授予 granted" if one in changed else "已有，无变化 has it already"
        typer.echo(f"{name}: {verdict} {in_words(one.role, one.scope)}")


def revoke(
    name: Name,
    role: Annotated[str, typer.Argument(help="角色。Role.")],
    reason: Annotated[str, typer.Option(help="原因代码，如 CONTRACT_ENDED。Reason code, such as CONTRACT_ENDED.")],
) -> None:
    """收回角色，含已打开的流。Take a role back; open streams are refused too."""
    with _store() as store:
        revoke_role(store, name, role, reason, _now())
    typer.echo(f"{name}: 已收回 revoked {role} ({reason})")


def roles(
    name: Annotated[str, typer.Argument(help="只看一个参与方。One participant only.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。Print JSON.")] = False,
    write_docs: Annotated[bool, typer.Option("--write-docs", help="写入 docs/roles.md。Write docs/roles.md.")] = False,
) -> None:
    """角色：谁有什么角色，范围多大。Who has which roles, and how far they reach; the table of all roles is docs/roles.md."""
    if write_docs:
        typer.echo(write())
        return
    with _store() as store:
        found = [find_participant(store, name)] if name else all_participants(store)
    if as_json:
        rows: list[dict[str, Any]] = [
            {"name": one.name, "roles": {role: scope._asdict() for role, scope in sorted(one.roles.items())}} for one in found
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    shown = lined_table(whole("参与方 participant"), folded("角色与范围 roles and how far they reach"))
    for one in found:
        lines = [in_words(role, scope) for role, scope in sorted(one.roles.items())]
        shown.add_row(one.name, "\n".join(lines) or "— 无角色，一切被拒 none: everything is refused")
    screen().print(shown)
    if not name:
        legend = lined_table(whole("角色 role"), folded("做什么 what it does"))
        for role, (title, meaning) in MEANINGS.items():
            legend.add_row(f"{role} {title}", meaning)
        screen().print(legend)


def grant_as_before(
    name: Annotated[str, typer.Argument(help="参与方；或用 --all。Participant, or --all.")] = "",
    everyone: Annotated[bool, typer.Option("--all", help="所有没有角色的参与方。All participants without roles.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问。Do not ask.")] = False,
) -> None:
    """升级后：授予升级前能做的一切。After an upgrade: grant all that a registered participant could do before there were roles."""
    if bool(name) == everyone:
        raise typer.BadParameter("给出名称或 --all 二者之一 either a NAME or --all")
    with _store() as store:
        found = as_before(store, name)
        if not found:
            typer.echo("没有缺少角色的参与方。No participant is without roles.")
            return
        typer.echo(f"将授予 to be granted: {', '.join(one.name for one in found)}")
        for one in AS_BEFORE:
            typer.echo(f"  {in_words(one.role, one.scope)}")
        if not yes:
            typer.confirm("授予？这包括明文标识 Grant all of this, identifiers in clear among it?", abort=True)
        for participant in found:
            grant_roles(store, participant.name, AS_BEFORE, _now())
    typer.echo(f"已授予 granted: {', '.join(one.name for one in found)}")


def in_words(role: str, scope: Scope) -> str:
    """Returns a role with how far it reaches, on one line."""
    title = MEANINGS.get(role, ("", ""))[0]
    reach = [f"{PARTS.get(part, '订阅 reads')} {' '.join(values)}" for part, values in scope._asdict().items() if values]
    return f"{role} {title}" + (f": {'; '.join(reach)}" if reach else "")


@contextlib.contextmanager
def _store() -> Iterator[AggregateStore]:
    with database(Config()) as dsn, contextlib.closing(AggregateStore(dsn)) as store:
        yield store


def _now() -> datetime:
    return datetime.now(UTC)
