"""Reads scenario files (TOML): what is reported to the hub, what it is asked, and what it must answer.

A file is checked as a whole before anything runs: every step must make a message, every name must be known. A bad one is refused
with file, step and field. Times are +08:00 unless they say otherwise. The format is explained in docs/scenarios.md.
"""

import tomllib
from pathlib import Path
from typing import Any

from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, service_items_pb2
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions
from google.protobuf.message import Message

from hub.domain.acceptance import RULES
from hub.domain.errors import HubError
from hub.domain.event_rules import HUB_KINDS, KIND_NUMBERS
from hub.domain.identity import card_no_problem
from hub.domain.reference import load
from hub.domain.reference.rows import MEDIA
from hub.domain.reference.rule_rows import OUTCOMES
from hub.scenarios.agreed import Agreed, signed
from hub.scenarios.filling import FieldInvalid, Names, fill
from hub.scenarios.participants import FEEDS
from hub.scenarios.questions import LEDGERS, QUESTIONS
from hub.scenarios.reading_ledgers import LedgerReader
from hub.scenarios.refusing import ScenarioInvalid
from hub.scenarios.scenario import Ask, Card, Scenario, Step
from hub.stage import PARTICIPANTS

# Each card centre has a feed of its own name and one for uses.
_CARD_FEEDS, _USAGE_FEEDS = ({province: feeds[at] for province, _, feeds in PARTICIPANTS.values()} for at in (0, 1))
_STEP_FIELDS = frozenset({"at", "by", "card", "kind", "arrives", "id", "quarantined"})
_ENVELOPE_FIELDS = frozenset(
    {
        "business_date",
        "source",
        "holder",
        "issuer_region",
        "service_region",
        "scenario",
        "medium",
        "auth_level",
        "corrects",
        "reverses",
        "venue_code",
        "amount_fen",
    }
)
_CHANGES = ("suspended_from", "resumed_at", "ended_at")


class ScenariosMissing(HubError):
    """Not found:"""


def read_directory(directory: Path) -> list[Scenario]:
    """Returns the scenarios of a directory in the order of their file names; raises ScenarioInvalid or ScenariosMissing."""
    if not directory.is_dir():
        raise ScenariosMissing(f"{directory}; 请在源代码目录中运行，或用 --dir 指定 run in a source tree, or name the directory with --dir")
    scenarios = [read_file(path) for path in sorted(directory.glob("*.toml"))]
    if not scenarios:
        raise ScenariosMissing(f"{directory}/*.toml")
    known: dict[str, str] = {}
    for scenario in scenarios:
        if scenario.id in known:
            raise ScenarioInvalid(f"{scenario.file}, id: {known[scenario.id]} has {scenario.id!r} already")
        known[scenario.id] = scenario.file
    return scenarios


def read_file(path: Path) -> Scenario:
    """Returns the scenario of a file; raises ScenarioInvalid."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ScenarioInvalid(f"{path.name}: not UTF-8") from None
    return read_text(path.name, text)


def read_text(file: str, text: str) -> Scenario:
    """Returns the scenario of a text; raises ScenarioInvalid."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioInvalid(f"{file}: not TOML: {error}") from None
    return _Reader(file, load()).scenario(content)


class _Reader(LedgerReader):
    """Reads one file; every refusal names it."""

    def scenario(self, content: dict[str, Any]) -> Scenario:
        self._fields("", content, {"id", "title", "source", "when"}, {"cards", "agreements", "items", "given"})
        title = self._table("", "title", content["title"])
        self._fields("title", title, {"zh", "en"}, set())
        source = content["source"] if isinstance(content["source"], list) else [content["source"]]
        for name, card in self._table("", "cards", content.get("cards", {})).items():
            self._cards[name] = self._card(name, card)
        steps = self._steps(self._list("given", content.get("given", [])))
        asks = [self._ask(number, ask, steps) for number, ask in enumerate(self._list("when", content["when"]), 1)]
        if not asks:
            raise self._refuse("", "when", "asks nothing")
        return Scenario(
            file=self._file,
            id=self._text("", "id", content["id"]),
            title_zh=self._text("title", "zh", title["zh"]),
            title_en=self._text("title", "en", title["en"]),
            source=tuple(self._text("", "source", item) for item in source),
            cards=self._cards,
            agreements=tuple(
                self._agreement(number, terms) for number, terms in enumerate(self._list("agreements", content.get("agreements", [])), 1)
            ),
            items=tuple(self._item(number, item) for number, item in enumerate(self._list("items", content.get("items", [])), 1)),
            given=tuple(sorted(steps, key=lambda step: step.arrives_us)),
            when=tuple(asks),
        )

    def _card(self, name: str, content: Any) -> Card:
        card = self._table(f"cards.{name}", "", content)
        self._fields(f"cards.{name}", card, {"issuer", "number"}, set())
        self._one_of(f"cards.{name}", "issuer", card["issuer"], ("50", "51"))
        number = self._text(f"cards.{name}", "number", card["number"])
        if (problem := card_no_problem(number)) is not None:
            raise self._refuse(f"cards.{name}", "number", f"is no card number ({problem})")
        return Card(card["issuer"], number)

    def _agreement(self, number: int, content: dict[str, Any]) -> Agreed:
        where = f"agreements {number}"
        content = dict(self._table(where, "", content))
        changes = {f"{name.partition('_')[0]}_us": self._instant(where, name, content.pop(name)) for name in _CHANGES if name in content}
        code = self._text(where, "code", content.get("code"))
        terms = decisions.AgreementTerms(
            concession=decisions.CONCESSION_TERMS_NONE, settlement=decisions.SETTLEMENT_TERMS_NONE, legal_basis="情景 scenario", source=code
        )
        self._fields(where, content, {"code", "scenarios", "issuer_provinces", "serving_provinces", "valid_from"}, None)
        try:
            fill(terms, {name: value for name, value in content.items() if name != "code"}, Names({}, {}))
        except FieldInvalid as error:
            raise self._refuse(where, error.path, error.why) from None
        agreed = Agreed(code, terms, **changes)
        try:
            signed(agreed)
        except HubError as error:
            raise self._refuse(where, "", str(error)) from None
        return agreed

    def _item(self, number: int, content: dict[str, Any]) -> service_items_pb2.ServiceItemDrafted:
        """Reads how a side handles an item; one that the table does not have is the file's own."""
        where = f"items {number}"
        said = dict(self._table(where, "", content))
        self._fields(where, said, {"item_id", "side", "valid_from"}, None)
        item_id, side = self._text(where, "item_id", said.pop("item_id")), self._one_of(where, "side", said.pop("side"), ("50", "51"))
        drafted = service_items_pb2.ServiceItemDrafted(item_id=item_id, province=side)
        try:
            fill(drafted.version, {"state": "LIVE", **said}, Names({}, {}))
        except FieldInvalid as error:
            raise self._refuse(where, error.path, error.why) from None
        drafted.definition.name_zh, drafted.definition.department = f"情景事项 {item_id}", "情景"
        return drafted

    def _steps(self, given: list[dict[str, Any]]) -> list[Step]:
        steps: list[Step] = []
        for number, content in enumerate(given, 1):
            steps.append(self._step(number, content))
        names = Names({name: (card.issuer, card.number) for name, card in self._cards.items()}, {})
        for step in steps:
            if step.name in names.events:
                raise self._refuse(f"given {step.number}", "id", f"another step is called {step.name!r}")
            names.events[step.name] = (step.feed, step.number)
        for step in steps:
            try:
                event = step.event(names)
            except FieldInvalid as error:
                raise self._refuse(f"given {step.number} ({step.kind})", error.path, error.why) from None
            for field in ("corrects", "reverses"):
                if event.HasField(field) and getattr(event, field).sequence == step.number:
                    raise self._refuse(f"given {step.number} ({step.kind})", field, "is the step itself")
        return steps

    def _step(self, number: int, content: dict[str, Any]) -> Step:
        where = f"given {number}"
        if not isinstance(content, dict):
            raise self._refuse(where, "", "is no table")
        self._fields(where, content, {"at", "by", "kind"}, None)
        kind = self._one_of(where, "kind", content["kind"], KIND_NUMBERS, "kind of event")
        if kind in HUB_KINDS:
            raise self._refuse(where, "kind", f"{kind} is decided by the hub, no province tells it")
        where = f"given {number} ({kind})"
        own = event_pb2.Event.DESCRIPTOR.fields_by_name[kind].message_type
        assert own is not None
        says = {name: value for name, value in content.items() if name in own.fields_by_name and name not in _STEP_FIELDS}
        envelope = {name: value for name, value in content.items() if name in _ENVELOPE_FIELDS and name not in says}
        for name in content:
            if name not in _STEP_FIELDS and name not in says and name not in envelope:
                raise self._refuse(where, name, f"neither {kind} nor the envelope has such a field")
        at_us = self._instant(where, "at", content["at"])
        arrives_us = self._instant(where, "arrives", content["arrives"]) if "arrives" in content else at_us
        if arrives_us < at_us:
            raise self._refuse(where, "arrives", "before it happened")
        card = content.get("card", "")
        if card:
            self._one_of(where, "card", card, self._cards, "card of this file")
        return Step(
            number=number,
            name=self._text(where, "id", content.get("id", f"given {number}")),
            feed=self._feed(where, content["by"], kind),
            kind=kind,
            card=card,
            at_us=at_us,
            arrives_us=arrives_us,
            quarantined=self._text(where, "quarantined", content.get("quarantined", ""), may_be_empty=True),
            says=says,
            envelope=envelope,
        )

    def _feed(self, where: str, by: Any, kind: str) -> str:
        self._one_of(where, "by", by, {*FEEDS, *_CARD_FEEDS}, "province or feed")
        feeds = _USAGE_FEEDS if 200 <= KIND_NUMBERS[kind] < 400 else _CARD_FEEDS
        return str(feeds.get(by, by))

    def _ask(self, number: int, content: dict[str, Any], steps: list[Step]) -> Ask:
        where = f"when {number}"
        if not isinstance(content, dict):
            raise self._refuse(where, "", "is no table")
        kind = self._one_of(where, "ask", content.get("ask", "acceptance"), QUESTIONS, "kind of question")
        needed, further, answers = QUESTIONS[kind]
        self._fields(where, content, needed | {"then"}, further | {"ask"})
        then = self._table(where, "then", content["then"])
        self._fields(f"{where} then", then, {"outcome"} if kind == "acceptance" else set(), answers)
        said: dict[str, Any] = {}
        if "card" in needed and kind not in LEDGERS:
            said["card"] = self._one_of(where, "card", content["card"], self._cards, "card of this file")
            said["at_us"] = self._instant(where, "at", content["at"])
        if "scenario" in needed:
            said["scenario"] = self._one_of(where, "scenario", content["scenario"], self._reference.scenario_codes, "scenario")
            said["region"] = self._one_of(where, "region", content["region"], self._reference.region_days, "region")
        if kind == "acceptance":
            said["medium"] = self._one_of(where, "medium", content["medium"], MEDIA, "medium")
            said["venue"] = self._text(where, "venue", content.get("venue", ""), may_be_empty=True)
            said["claims"] = self._claims(where, content.get("claims"))
            said["refs"] = self._refs(where, content.get("refs", {}))
        elif kind == "use":
            if "hotlist_at" in content:
                said["hotlist_us"] = self._instant(where, "hotlist_at", content["hotlist_at"])
            if "medium" in content:
                said["medium"] = self._one_of(where, "medium", content["medium"], MEDIA, "medium")
        elif kind == "usage":
            said["day"] = self._day(where, content["day"])
            said["issuer"] = self._one_of(where, "issuer", content["issuer"], ("50", "51"))
        elif kind == "case":
            said["day"], said["case_no"] = self._day(where, content["on"]), self._text(where, "case_no", content["case_no"])
            said["handling"] = self._one_of(where, "handling", content["handling"], ("50", "51"))
            said["asker"] = self._one_of(where, "asker", content.get("asker", content["handling"]), ("50", "51"))
        elif kind in LEDGERS:
            said |= self._ledger(where, content)
        if "known_at" in content:
            said["known_us"] = self._instant(where, "known_at", content["known_at"])
        return Ask(number, kind, self._then(f"{where} then", kind, then, steps), **said)

    def _then(self, where: str, kind: str, then: dict[str, Any], steps: list[Step]) -> dict[str, Any]:
        held = {name: self._text(where, name, value) if name == "advice" else value for name, value in then.items()}
        if kind == "acceptance":
            self._one_of(where, "outcome", held["outcome"], OUTCOMES, "outcome")
            for code in self._list_of(where, "reasons", held.setdefault("reasons", [])):
                self._one_of(where, "reasons", code, self._reference.reasons, "reason")
            for rule_id in (*self._list_of(where, "contradictions", held.get("contradictions", [])), *held.get("basis", {})):
                self._one_of(where, "contradictions", rule_id, {rule.rule_id for rule in RULES}, "rule")
        elif kind == "findings" or (kind in ("case", *LEDGERS) and "findings" in held):
            names = {step.name for step in steps}
            for finding in self._list_of(where, "findings", held.setdefault("findings", [])):
                self._fields(f"{where} findings", self._table(where, "findings", finding), {"step", "code"}, {"against"})
                for name in {"step", "against"} & finding.keys():
                    self._one_of(f"{where} findings", name, finding[name], names, "step of this file")
        elif kind == "use" and held.get("against"):
            self._one_of(where, "against", held["against"], {step.name for step in steps}, "step of this file")
        elif kind == "standing":
            held = {name: None if value == "" else value for name, value in held.items()}
            for name in ("social_status_until", "provisional_block_until"):
                if held.get(name) is not None:
                    held[name] = self._instant(where, name, held[name])
        return held

    def _refs(self, where: str, content: Any) -> dict[str, Any]:
        refs = self._table(where, "refs", content)
        self._filled(where, "refs", acceptance_pb2.SubjectRefs(), refs)
        return refs

    def _claims(self, where: str, content: Any) -> acceptance_pb2.AcceptanceClaims | None:
        if content is None:
            return None
        claims = acceptance_pb2.AcceptanceClaims()
        self._filled(where, "claims", claims, self._table(where, "claims", content))
        return claims

    def _filled(self, where: str, name: str, message: Message, content: dict[str, Any]) -> None:
        try:
            fill(message, content, Names({}, {}))
        except FieldInvalid as error:
            raise self._refuse(where, f"{name}.{error.path}", error.why) from None
