"""What is asked of other rules, made ready to be run: a directory of rules and tables for each branch, and the agreements it answers by.

Nothing is run here but by `hub.audit.rule_process`. Sources that do not parse and tables that contradict themselves are refused by name.
"""

import ast
import csv
import io
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.replay.answering import Branch
from hub.audit.replay.spool import ReplayHasNoRoom
from hub.audit.replay.terms import TermsChange
from hub.audit.rule_archive import DOMAIN, pack_version
from hub.audit.rule_versions import unpacked_version
from hub.domain import reference
from hub.domain.agreement import terms_of
from hub.domain.errors import HubError
from hub.domain.reference import InvalidReferenceTable

MOST_BYTES = 32 << 20
# Both provinces, in the order in which further rows of a parameter are added.
_PROVINCES = ("50", "51")


class RulesForeign(HubError):
    """所附规则不是规则档案；用 `hub whatif --rules` 或 `hub rules` 生成 the rules attached are no archive of rules, or are too large."""


class RulesUnreadable(HubError):
    """所附规则有语法错误 the rules attached cannot be parsed:"""


class TableUnknown(HubError):
    """没有这张参照表；文件名须与 hub/domain/reference 中的相同 there is no such reference table; name it as in hub/domain/reference:"""


class TableRefused(HubError):
    """所附参照表有误，未采用 the reference table attached contradicts itself or others:"""


class ParameterUnknown(HubError):
    """没有这个参数；policy.csv 列出参数 there is no such parameter; policy.csv lists them:"""


def branches_of(dsn: str, changes: Iterable[asked.WhatIfChange], directory: Path, held: ExitStack) -> list[Branch]:
    """Makes the branches in a directory, in the order in which they are asked; raises what this module has, and what kept rules raise."""
    by_name: dict[str, list[asked.WhatIfChange]] = {}
    for change in changes:
        by_name.setdefault(change.branch, []).append(change)
    return [_branch(dsn, name, some, directory / str(number), held) for number, (name, some) in enumerate(by_name.items())]


def _branch(dsn: str, name: str, changes: list[asked.WhatIfChange], directory: Path, held: ExitStack) -> Branch:
    terms = tuple(_terms(change.agreement) for change in changes if change.HasField("agreement"))
    if all(change.HasField("agreement") for change in changes):
        return Branch(name, "", terms)
    rules = [change.rules for change in changes if change.HasField("rules")]
    if rules and rules[-1].WhichOneof("rules") == "digest":
        directory = held.enter_context(unpacked_version(dsn, rules[-1].digest))[0]
    else:
        unpack_rules(rules[-1].archive if rules else pack_version(), directory)
    tables = directory / DOMAIN / "reference"
    for change in changes:
        if change.HasField("reference"):
            _replace_table(tables, change.reference)
        elif change.HasField("parameter"):
            _set_parameter(tables / "policy.csv", change.parameter)
    if not rules:
        _check_tables(tables)
    return Branch(name, str(directory), terms)


def _terms(change: asked.AgreementChange) -> TermsChange:
    return TermsChange(change.agreement_code, terms_of(change.agreement_code, change.terms) if change.HasField("terms") else None)


def unpack_rules(archive: bytes, directory: Path) -> None:
    """Unpacks rules that nobody vouches for; raises RulesForeign, RulesUnreadable or ReplayHasNoRoom."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            members = packed.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES or f"{DOMAIN}/acceptance.py" not in packed.namelist():
                raise RulesForeign
            packed.extractall(directory)
    except OSError as error:
        raise ReplayHasNoRoom from error
    except (ValueError, NotImplementedError, zipfile.BadZipFile):
        raise RulesForeign from None
    for source in sorted((directory / DOMAIN).rglob("*.py")):
        try:
            ast.parse(source.read_bytes())
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", 0) or 0
            raise RulesUnreadable(f"{source.relative_to(directory)}:{line}") from None


def _replace_table(tables: Path, change: asked.ReferenceChange) -> None:
    table = tables / f"{change.table}.csv"
    if not table.exists():
        raise TableUnknown(change.table)
    table.write_bytes(change.rows)


def _set_parameter(policy: Path, change: asked.ParameterChange) -> None:
    """Gives a parameter one value on all days, in one province or in both."""
    lines = policy.read_text(encoding="utf-8").splitlines()
    notes = [line for line in lines if line.startswith("#")]
    header, *rows = csv.reader(line for line in lines if line.strip() and not line.startswith("#"))
    name, province, value = header.index("parameter"), header.index("province"), header.index("value")
    mine = [row for row in rows if row[name] == change.name]
    if not mine:
        raise ParameterUnknown(change.name)
    wanted = (change.province,) if change.province else _PROVINCES
    for row in mine:
        if row[province] in wanted:
            row[value] = change.value
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([header, *rows])
    policy.write_text("\n".join(notes) + "\n" + written.getvalue(), encoding="utf-8")


def _check_tables(tables: Path) -> None:
    try:
        reference.load(tables)
    except InvalidReferenceTable as wrong:
        raise TableRefused(str(wrong)[:500]) from None
    except (ValueError, KeyError, OSError) as wrong:
        raise TableRefused(type(wrong).__name__) from None
