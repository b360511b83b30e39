"""A question in words, as people read it in lists, on pages and in reports: dates in +08:00, a card by the hub's key."""

from typing import Any

from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.audit.outcome import Text
from hub.audit.requests.things import name_of
from hub.domain.instants import in_local, microseconds
from hub.words.names import PROVINCES
from hub.words.parameters import PARAMETERS


def in_words(question: protos.AuditQuestion) -> Text:
    """Says what is asked."""
    kind = str(question.WhichOneof("asked"))
    asked: Any = getattr(question, kind)
    return _WORDS[kind](asked) if kind in _WORDS else _known(name_of(kind, asked), asked)


def _card(asked: Any) -> Text:
    issuer = PROVINCES.get(asked.card.issuing_province, ("", ""))
    card = Text(f"{issuer[0]}卡", f"{issuer[1]} card".lstrip())
    key = asked.card.key.hex()[:8]
    recorded = _place(asked.recorded_as_of) if asked.HasField("recorded_as_of") else Text("现在", "now")
    valid = Text(*2 * (_instant(asked.valid_at),)) if asked.HasField("valid_at") else recorded
    today = Text("，并与今日所知相比", ", against what is known today") if asked.against_today else Text("", "")
    return Text(
        f"{card.zh} {key}…：{recorded.zh}时枢纽对 {valid.zh} 知道什么、答复了什么{today.zh}",
        f"{card.en} {key}…: what the hub knew by {recorded.en} of {valid.en}, and answered{today.en}",
    )


def _count(asked: Any) -> Text:
    cells = " ".join(filter(None, (asked.issuing_province, asked.region, asked.scenario)))
    zh, en = f"{asked.day} 至 {asked.until or asked.day}", f"from {asked.day} to {asked.until or asked.day}"
    recorded = _place(asked.recorded_as_of) if asked.HasField("recorded_as_of") else Text("现在", "now")
    within = Text(f"（{cells}）", f" ({cells})") if cells else Text("", "")
    return Text(f"{zh} 的用卡次数{within.zh}：{recorded.zh}时计为多少", f"Uses {en}{within.en}: how many were counted by {recorded.en}")


def _known(name: Text, asked: Any) -> Text:
    times = _both_times(asked)
    return Text(f"{name.zh}：{times.zh}枢纽知道什么", f"{name.en}: what the hub knew {times.en}")


def _both_times(asked: Any) -> Text:
    """Says by when something was recorded, and which instant it is about."""
    recorded = _place(asked.recorded_as_of) if asked.HasField("recorded_as_of") else Text("现在", "now")
    if not asked.HasField("valid_at"):
        return Text(f"{recorded.zh}时", f"by {recorded.en}")
    valid = _instant(asked.valid_at)
    return Text(f"{recorded.zh}时对 {valid} ", f"by {recorded.en} of {valid}")


def _answers(asked: Any) -> Text:
    return Text(f"{_period(asked).zh}的答复，重算是否一致", f"The answers {_period(asked).en}: are they the same when decided again")


def _what_if(asked: Any) -> Text:
    changes = [_change(one) for one in asked.changes]
    rebuilt = Text("，视图重建", ", views rebuilt") if asked.inputs == protos.WHAT_IF_INPUTS_REBUILT else Text("", "")
    zh, en = "、".join(one.zh for one in changes), ", ".join(one.en for one in changes)
    period = _period(asked)
    if not changes:
        return Text(
            f"{period.zh}的答复，规则不变（对照），有哪些不同", f"The answers {period.en} by the same rules (the control): which are others"
        )
    return Text(f"{period.zh}的答复，若{zh}，有哪些不同{rebuilt.zh}", f"The answers {period.en} {en}: which are others{rebuilt.en}")


def _change(change: Any) -> Text:
    kind = str(change.WhichOneof("changed"))
    said = _CHANGES[kind](getattr(change, kind))
    return Text(f"{said.zh}［{change.branch}］", f"{said.en} [{change.branch}]") if change.branch else said


def _other_rules(rules: Any) -> Text:
    digest = rules.digest.hex()[:8]
    return Text(f"改用规则版本 {digest}", f"by version {digest} of the rules") if digest else Text("改用随附规则", "by the rules attached")


def _other_parameter(parameter: Any) -> Text:
    zh, en = PARAMETERS.get(parameter.name, ("参数", "parameter"))
    where = PROVINCES.get(parameter.province, ("", ""))
    name, value = parameter.name, parameter.value
    return Text(f"{where[0]}{zh}（{name}）改为 {value}", " ".join(f"with {where[1]} {en} ({name}) {value}".split()))


def _other_agreement(agreement: Any) -> Text:
    code = agreement.agreement_code
    if not agreement.HasField("terms"):
        return Text(f"没有约定 {code}", f"without agreement {code}")
    return Text(f"约定 {code} 为随附条款", f"with the terms attached for agreement {code}")


def _other_reference(reference: Any) -> Text:
    return Text(f"改用随附参照表 {reference.table}", f"with the table {reference.table} attached")


_CHANGES = {"rules": _other_rules, "parameter": _other_parameter, "agreement": _other_agreement, "reference": _other_reference}


def _views(asked: Any) -> Text:
    at = _place(asked.recorded_as_of) if asked.HasField("recorded_as_of") else Text("现在", "now")
    which = Text(*2 * (f" ({', '.join(asked.views)})" if asked.views else "",))
    return Text(f"{at.zh}的视图{which.zh}是否与日志一致", f"Do the views{which.en} of {at.en} say what the journal says")


def _record(asked: Any) -> Text:
    if not asked.HasField("since"):
        return Text("自上次审计以来，记录是否被改动", "Was anything in the record altered since the last audit")
    since = _place(asked.since)
    return Text(f"自{since.zh}以来，记录是否被改动", f"Was anything in the record altered since {since.en}")


def _period(asked: Any) -> Text:
    start, end = _place(getattr(asked, "from")), _place(asked.to)
    return Text(f"{start.zh} 至 {end.zh} ", f"from {start.en} to {end.en}")


def _place(at: protos.RecordedAsOf) -> Text:
    if at.WhichOneof("at") == "position":
        return Text(f"位置 {at.position:,}", f"position {at.position:,}")
    return Text(*2 * (_instant(at.instant),))


def _instant(at: Any) -> str:
    """Writes an instant in +08:00, a midnight as its day."""
    text = in_local(microseconds(at)).strftime("%Y-%m-%d %H:%M:%S")
    return text.removesuffix(" 00:00:00").removesuffix(":00") if text.endswith(" 00:00:00") or text.endswith(":00") else text


_WORDS = {
    "card": _card,
    "answers": _answers,
    "what_if": _what_if,
    "views": _views,
    "record": _record,
    "count": _count,
}
