"""The command `hub whatif`: what other rules, parameters, agreements or tables would have answered in a period, side by side."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.admin.agreement_toml import read_terms
from hub.audit.rule_archive import DOMAIN, pack_version
from hub.commands.asof_options import place
from hub.commands.database import database
from hub.commands.options import Json
from hub.commands.replay import Begin, End, end_of, finish
from hub.config import Config

Files = list[Path] | None
_IN = {"exists": True, "readable": True}


def whatif(
    begin: Begin = "",
    end: End = "",
    rules: Annotated[Files, typer.Option(help="规则档案、检出目录，或规则文件。An archive, a checkout, or one file.", **_IN)] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="参数，如 tempLossDays=10 或 50:tempLossDays=10。A parameter, of a province or both.")
    ] = None,
    agreement: Annotated[Files, typer.Option(help="约定条款 TOML，须有 code。Terms of an agreement as TOML, with code.", **_IN)] = None,
    without: Annotated[list[str] | None, typer.Option(help="去掉这项约定。Without this agreement.")] = None,
    table: Annotated[Files, typer.Option(help="参照表 CSV，文件名即表名。A reference table as CSV, named as it is.", **_IN)] = None,
    together: Annotated[bool, typer.Option("--together", help="所有改动合为一组。All changes together, not side by side.")] = False,
    rebuilt: Annotated[bool, typer.Option("--rebuilt", help="以时段末尾所知裁决。From what is known at the end of the period.")] = False,
    as_json: Json = False,
) -> None:
    """假如：一段时间的答复按其他规则、参数、约定或参照表会如何。What other rules, parameters, agreements or tables would have answered."""
    changes = [
        *map(_rules, rules or []),
        *map(_parameter, parameter or []),
        *map(_agreement, agreement or []),
        *(asked.WhatIfChange(branch=_name(code), agreement=asked.AgreementChange(agreement_code=code)) for code in without or []),
        *(_table(path) for path in table or []),
    ]
    if together:
        for change in changes:
            change.branch = "together"
    else:
        _set_apart(changes)
    inputs = asked.WHAT_IF_INPUTS_REBUILT if rebuilt else asked.WHAT_IF_INPUTS_FROZEN
    with database(Config()) as dsn:
        period = asked.WhatIfQuestion(to=end_of(dsn, end), changes=changes, inputs=inputs)
        getattr(period, "from").CopyFrom(place(begin or "1"))
        finish(dsn, asked.AuditQuestion(what_if=period), as_json=as_json)


def _set_apart(changes: list[asked.WhatIfChange]) -> None:
    """Numbers changes of one name, such as two values of a parameter: each is a branch of its own."""
    taken = Counter[str]()
    for change in changes:
        taken[change.branch] += 1
        if (number := taken[change.branch]) > 1:
            change.branch = f"{change.branch[:28]}.{number}"


def _rules(path: Path) -> asked.WhatIfChange:
    return asked.WhatIfChange(branch=_name(path.stem), rules=asked.RulesChange(archive=archive_of(path)))


def archive_of(path: Path) -> bytes:
    """Returns an archive of rules: the file itself, or the rules at hand with those of a checkout, or with one file of rules."""
    if path.is_file() and path.suffix != ".py":
        return path.read_bytes()
    return _with(dict(_sources(path)))


def _sources(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for source in (path / DOMAIN).rglob("*"):
            if source.suffix in (".py", ".csv"):
                yield source.relative_to(path).as_posix(), source.read_bytes()
        return
    with zipfile.ZipFile(io.BytesIO(pack_version())) as own:
        named = [name for name in own.namelist() if name.startswith(f"{DOMAIN}/") and Path(name).name == path.name]
    at = [name for name in named if path.as_posix().endswith(name)] or [name for name in named if name.startswith(f"{DOMAIN}/rules/")]
    if len(at) != 1:
        raise typer.BadParameter(f"没有同名的规则文件 no file of rules has this name: {path.name}", param_hint="--rules")
    yield at[0], path.read_bytes()


def _with(sources: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(pack_version())) as own, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name in own.namelist():
            made.writestr(name, sources.pop(name) if name in sources else own.read(name))
        for name, data in sources.items():
            made.writestr(name, data)
    return packed.getvalue()


def _parameter(text: str) -> asked.WhatIfChange:
    name, given, value = text.partition("=")
    if not given:
        raise typer.BadParameter("如 such as tempLossDays=10", param_hint="--set")
    province, _, name = name.rpartition(":")
    return asked.WhatIfChange(branch=_name(name), parameter=asked.ParameterChange(name=name, province=province, value=value))


def _agreement(path: Path) -> asked.WhatIfChange:
    code, terms = read_terms(path.read_bytes())
    if not code:
        raise typer.BadParameter(f"缺少 code is missing: {path.name}", param_hint="--agreement")
    return asked.WhatIfChange(branch=_name(code), agreement=asked.AgreementChange(agreement_code=code, terms=terms))


def _table(path: Path) -> asked.WhatIfChange:
    return asked.WhatIfChange(branch=_name(path.stem), reference=asked.ReferenceChange(table=path.stem, rows=path.read_bytes()))


def _name(text: str) -> str:
    """Returns a name of a branch: small letters, digits, underscores and dots."""
    plain = re.sub(r"[^a-z0-9_.]+", "_", text.lower()).strip("_.")[:32]
    return plain if plain[:1].isalpha() else f"b_{plain}"
