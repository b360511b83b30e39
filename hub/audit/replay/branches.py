"""What is asked of other rules, made ready to be run: a directory of rules and tables for each branch, and the agreements it answers by.

A request is checked by the same functions before it is recorded. Nothing is run here but by `hub.audit.rule_process`. A name that matches
nothing, sources that do not parse, and tables that contradict themselves are refused by name.
"""

import ast
import io
import zipfile
from collections.abc import Hashable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as asked

from hub.audit.as_of import agreements_at
from hub.audit.outcome import Text, seen
from hub.audit.replay.answering import Branch
from hub.audit.replay.change_words import GONE, NONE_YET, Change, terms_words
from hub.audit.replay.names import instead_of
from hub.audit.replay.parameters import set_parameter
from hub.audit.replay.spool import ReplayHasNoRoom
from hub.audit.replay.terms import TermsChange, versions_of
from hub.audit.requests.windows import window_of
from hub.audit.rule_archive import DOMAIN, pack_version
from hub.audit.rule_versions import kept_digests, unpacked_version
from hub.domain import reference
from hub.domain.agreement import Terms, terms_of
from hub.domain.agreement_rules import check_terms
from hub.domain.audit_errors import AuditChangeUnfit, AuditNameUnknown
from hub.domain.errors import RegionNotInForce, RuleVersionUnknown, ScenarioUnknown, ValidityReversed
from hub.domain.reference import InvalidReferenceTable, Reference
from hub.journal.sessions import session

MOST_BYTES = 32 << 20
_OWN = Path(reference.__file__).parent.parent
_MOST_FILES = 6
_PROVINCES = ("50", "51")


class RulesForeign(AuditChangeUnfit):
    """所附规则不是规则档案；用 `hub whatif --rules` 或 `hub rules` 生成 the rules attached are no archive of rules, or are too large."""


class RulesUnreadable(AuditChangeUnfit):
    """所附规则有语法错误 the rules attached cannot be parsed:"""


class TableUnknown(AuditNameUnknown):
    """没有这张参照表；文件名须与 hub/domain/reference 中的相同 there is no such reference table; name it as in hub/domain/reference:"""


class TableRefused(AuditChangeUnfit):
    """所附参照表有误，未采用 the reference table attached contradicts itself or others:"""


class AgreementNotThere(AuditNameUnknown):
    """所问时段末尾没有这项约定；见 `hub agreements list` at the end of the period there is no such agreement; see `hub agreements list`:"""


class ScenarioNotThere(AuditNameUnknown):
    """所附约定没有写明场景，或写了目录中没有的场景 the terms attached name no scenario, or one that is not in the catalogue:"""


class TermsUnfit(AuditChangeUnfit):
    """所附约定的条款不成立：终止早于生效，或地区当日不在其服务省 these terms end before they begin, or their region was not there:"""


class ChangeRepeated(AuditChangeUnfit):
    """同一组改动中同一内容改了两次；请分为两组（branch）one branch changes the same thing twice; make two branches of it:"""


class _Prepared:
    """What branches are made from: the record, the agreements known at the end of the period, and what stays open until they have run."""

    def __init__(self, dsn: str, known: list[Terms], closing: ExitStack) -> None:
        """*closing* removes what kept versions are unpacked into."""
        self.dsn, self.known, self.closing = dsn, known, closing


def branches_of(dsn: str, question: asked.WhatIfQuestion, directory: Path, held: ExitStack) -> list[Branch]:
    """Makes the branches in a directory, in the order in which they are asked; raises what this module has, and what kept rules raise."""
    by_name: dict[str, list[asked.WhatIfChange]] = {}
    for change in question.changes:
        by_name.setdefault(change.branch, []).append(change)
    with session(dsn, "hub_reader", "hub-replay") as connection:
        prepared = _Prepared(dsn, _known(connection, question), held)
    return [_branch(prepared, name, some, directory / str(number)) for number, (name, some) in enumerate(by_name.items())]


def check_branches(dsn: str, question: asked.WhatIfQuestion) -> None:
    """Raises what `branches_of` raises, and leaves nothing behind."""
    with ExitStack() as held:
        branches_of(dsn, question, Path(held.enter_context(TemporaryDirectory(prefix="hub-what-if-"))), held)


def _known(connection: psycopg.Connection, question: asked.WhatIfQuestion) -> list[Terms]:
    if not any(change.HasField("agreement") for change in question.changes):
        return []
    return list(agreements_at(connection, window_of(connection, question).last))


def _branch(prepared: _Prepared, name: str, changes: list[asked.WhatIfChange], directory: Path) -> Branch:
    _refuse_repeated(name, changes, prepared.known)
    agreements = [change.agreement for change in changes if change.HasField("agreement")]
    others = [change for change in changes if not change.HasField("agreement")]
    said: list[Change] = []
    if others:
        directory = _rules(prepared, others, directory, said)
    tables = _tables_of(directory) if others else reference.load()
    terms = tuple(_terms(prepared, change, tables, said) for change in agreements)
    return Branch(name, str(directory) if others else "", terms, tuple(said))


def _refuse_repeated(name: str, changes: list[asked.WhatIfChange], known: list[Terms]) -> None:
    """Raises ChangeRepeated where a later change of a branch would hide an earlier one."""
    seen = set[Hashable]()
    for one in (thing for change in changes for thing in _things(change, known)):
        if one in seen:
            raise ChangeRepeated(" ".join(part for part in (name, *map(str, one)) if part))
        seen.add(one)


def _things(change: asked.WhatIfChange, known: list[Terms]) -> Iterator[tuple[str, ...]]:
    kind = str(change.WhichOneof("changed"))
    if kind == "parameter":
        provinces = (change.parameter.province,) if change.parameter.province else _PROVINCES
        yield from ((change.parameter.name, province) for province in provinces)
    elif kind == "agreement":
        code = change.agreement.agreement_code
        yield from ((version,) for version in sorted({code, *(one.code for one in versions_of(code, known))}))
    else:
        yield (kind, change.reference.table) if kind == "reference" else (kind,)


def _rules(prepared: _Prepared, changes: list[asked.WhatIfChange], directory: Path, said: list[Change]) -> Path:
    """Makes the rules and tables of a branch, and returns where they are."""
    rules = next((change.rules for change in changes if change.HasField("rules")), None)
    if rules is not None and rules.WhichOneof("rules") == "digest":
        directory = _kept(prepared, rules.digest)
    else:
        unpack_rules(pack_version() if rules is None else rules.archive, directory)
    if rules is not None:
        said.append(_other_rules(rules, directory / DOMAIN))
    tables = directory / DOMAIN / "reference"
    for change in changes:
        if change.HasField("reference"):
            said.append(_replace_table(tables, change.reference))
    for change in changes:
        if change.HasField("parameter"):
            said.append(set_parameter(tables / "policy.csv", change.parameter))
    if rules is None:
        _check_tables(tables)
    return directory


def _kept(prepared: _Prepared, digest: bytes) -> Path:
    try:
        return prepared.closing.enter_context(unpacked_version(prepared.dsn, digest))[0]
    except RuleVersionUnknown:
        with session(prepared.dsn, "hub_reader", "hub-rules") as connection:
            known = [one.hex()[:16] for one in kept_digests(connection)]
        raise RuleVersionUnknown(instead_of(digest.hex()[:8], known)) from None


def _terms(prepared: _Prepared, change: asked.AgreementChange, tables: Reference, said: list[Change]) -> TermsChange:
    code, versions = change.agreement_code, versions_of(change.agreement_code, prepared.known)
    what = Text(f"约定 {code}", f"agreement {code}")
    if not code.isprintable():
        raise AuditChangeUnfit("agreement_code")
    if not change.HasField("terms"):
        if not versions:
            raise AgreementNotThere(instead_of(code, [one.code for one in prepared.known]))
        said.append(Change(what, terms_words(versions), GONE))
        return TermsChange(code, None)
    try:
        check_terms(change.terms, tables)
    except ScenarioUnknown as unknown:
        raise ScenarioNotThere(instead_of(unknown.metadata.get("scenario", ""), tables.scenario_codes)) from None
    except (RegionNotInForce, ValidityReversed) as unfit:
        raise TermsUnfit(" ".join(unfit.metadata.values())) from None
    terms = terms_of(code, change.terms)
    said.append(Change(what, terms_words(versions) if versions else NONE_YET, terms_words([terms])))
    return TermsChange(code, terms)


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
    own = _files(_OWN)
    for source in sorted((directory / DOMAIN).rglob("*.py")):
        text = source.read_bytes()
        try:
            if text != own.get(source.relative_to(directory / DOMAIN).as_posix()):
                ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", 0) or 0
            raise RulesUnreadable(f"{source.relative_to(directory)}:{line}") from None


def _other_rules(rules: asked.RulesChange, domain: Path) -> Change:
    """Says which files of the rules are not those at hand."""
    here, there = _files(_OWN), _files(domain)
    names = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    shown = ", ".join(map(seen, names[:_MOST_FILES])) + (f" … ({len(names)})" if len(names) > _MOST_FILES else "")
    which = rules.digest.hex()[:16]
    named = Text(f"枢纽所存版本 {which}", f"the kept version {which}") if which else Text("随附规则", "the rules attached")
    unlike = Text("与当前相同", "the same as today's")
    if names:
        unlike = Text(f"与当前不同的文件：{shown}", f"files other than today's: {shown}")
    before = Text("各答复当时的规则", "the rules that each answer names")
    return Change(Text("规则", "rules"), before, Text(f"{named.zh}，{unlike.zh}", f"{named.en}, {unlike.en}"))


def _files(domain: Path) -> dict[str, bytes]:
    found = (path for path in domain.rglob("*") if path.suffix in (".py", ".csv"))
    return {path.relative_to(domain).as_posix(): path.read_bytes() for path in found}


def _replace_table(tables: Path, change: asked.ReferenceChange) -> Change:
    table = tables / f"{change.table}.csv"
    if not table.exists():
        raise TableUnknown(instead_of(change.table, (path.stem for path in tables.glob("*.csv"))))
    before, after = table.read_bytes().splitlines(), change.rows.splitlines()
    table.write_bytes(change.rows)
    gone, more = len(set(before) - set(after)), len(set(after) - set(before))
    return Change(
        Text(f"参照表 {change.table}", f"reference table {change.table}"),
        Text(f"{len(before):,} 行", f"{len(before):,} lines"),
        Text(f"{len(after):,} 行：少 {gone:,} 行，多 {more:,} 行", f"{len(after):,} lines: {gone:,} are gone, {more:,} are new"),
    )


def _tables_of(directory: Path) -> Reference:
    """Returns the tables of a branch, those at hand where they are of a version that reads other ones."""
    try:
        return _read(directory / DOMAIN / "reference")
    except (InvalidReferenceTable, ValueError, KeyError, OSError):
        return reference.load()


def _read(tables: Path) -> Reference:
    # What is loaded is kept for good, which is not for tables that are tried out.
    return reference.load.__wrapped__(tables)


def _check_tables(tables: Path) -> None:
    try:
        _read(tables)
    except InvalidReferenceTable as wrong:
        raise TableRefused(str(wrong)[:500]) from None
    except (ValueError, KeyError, OSError) as wrong:
        raise TableRefused(type(wrong).__name__) from None
