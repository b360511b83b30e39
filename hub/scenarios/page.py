"""Writes the scenarios out for people: one section each, Chinese with English beside it, from the files alone."""

from collections.abc import Iterable, Mapping
from typing import Any

from chuanyu.exchange.v1 import service_items_pb2
from google.protobuf.json_format import MessageToDict

from hub.domain import reference as tables
from hub.domain.instants import local_day
from hub.scenarios import cases, ledgers
from hub.scenarios.agreed import Agreed
from hub.scenarios.participants import FEEDS, OWNERS, TELLERS
from hub.scenarios.questions import LEDGERS
from hub.scenarios.scenario import Ask, Card, Scenario, Step, local_text
from hub.words.kinds import KINDS, LIFE_WORDS, OUTCOME_WORDS, PROVINCE_WORDS

_HEAD = """# 情景 Scenarios

规则以情景写成，政策人员可读可改：已知什么，何时何地问什么，应答什么。每个情景以三种方式运行，答复必须相同：纯函数；真实的
PostgreSQL；经双向 TLS 的 gRPC。Rules are written as scenarios that policy officers can read and change: what is given, what is asked
when and where, what must be answered. Each runs three ways with the same answers: pure, on a real PostgreSQL, over gRPC with mutual
TLS.

```sh
.venv/bin/hub scenarios               # 全部运行 runs them all, on an embedded hub of their own
.venv/bin/hub scenarios --write-docs  # 由文件重写本页 writes this page again from the files
```

## 写法 How one is written

一个情景一个文件 One file a scenario: `tests/scenarios/*.toml`.
"""
_FIELDS = (
    (
        "`id`, `title = {zh, en}`, `source`",
        "编号、标题、依据（规则号、[docs/sources.md](sources.md) 的来源标签）。"
        "Label, title, and what it rests on: rules, golden scenarios, tags of sources.",
    ),
    ("`[cards]`", "卡的别名：发卡省与卡号；每次运行换成新的卡号。Aliases of cards; every run puts numbers of its own in their place."),
    (
        "`[[agreements]]`",
        "历史约定之外另加的约定：`code` 与 AgreementTerms 各字段；`suspended_from`、`resumed_at`、`ended_at` 为中止、恢复、终止。"
        "Agreements besides the historical ones: `code`, fields of AgreementTerms, and when it is suspended, resumed, ended.",
    ),
    (
        "`[[items]]`",
        "目录之外另加的事项：`item_id`、`side`（何省办理）与 ServiceItemVersion 各字段；由该省两名人员拟定、复核。"
        "Service items besides those of the tables: `item_id`, `side`, fields of ServiceItemVersion; approved by officers of the side.",
    ),
    ("`[[given]]`", "告知枢纽的事件。An event reported to the hub."),
    (
        "`at`, `by`, `card`, `kind`",
        "何时发生；何省（`50`、`51`）或何数据流（如 `cq.museum`）告知；哪张卡；事件种类。"
        "When it happened, the province or feed (such as `cq.museum`) that reports it, the card, the kind of event.",
    ),
    (
        "其他 further fields",
        "该事件与信封的字段，名称同 protos，枚举值不带前缀；`holder` 写证件号。"
        "Fields of the kind and of the envelope as in the protos, enum values without prefix; `holder` is a document number.",
    ),
    ("`arrives`", "晚到的事件何时到达；事件按到达先后告知。When a late event arrives; events are reported in that order."),
    ("`id`, `corrects`, `reverses`, `request`", "给一步命名，供后面的步骤引用。Names a step, for later ones to refer to."),
    ("`quarantined`", "这一步应被隔离，以及所违反的规则。The step must be quarantined, for this rule."),
    ("`[[when]]`, `[when.then]`", "一个问题及其答复。A question, and its answer below it."),
    (
        '`ask = "acceptance"`',
        "（默认 the default）`card`, `scenario`, `region`, `medium`, `at`, `venue`, `claims`（AcceptanceClaims 的字段 its fields）, "
        "`refs`（SubjectRefs 的字段 its fields）→ `outcome`, `reasons`（依次 in order）, `advice`（答复中应含的字句 words it contains）, "
        "`basis`（规则依据申报还是记录 what a rule rests on, CLAIM RECORD）, "
        "`contradictions`（申报与记录不一致的规则 rules whose claim and record contradict each other）；"
        "加 `known_at` 则只按当时已告知的事实应答 with `known_at` it is answered from what had been reported by then",
    ),
    (
        '`ask = "standing"`',
        "`card`, `at` → 卡的五种状态 the five lives: `social_status`, `ecard_status`, …；空字符串为“没有” an empty text means none",
    ),
    (
        '`ask = "findings"`',
        "`card`, `at` → `findings`: 相互矛盾的步骤 which steps contradict which, `{step, against, code}`",
    ),
    (
        '`ask = "use"`',
        "一次用卡是否有效 whether a use was valid: `card`, `at`, `medium`, `hotlist_at`（该设备何时收到含此卡的黑名单 when its device "
        "had a hotlist with the card）→ `finding`（空为有效 empty if valid）, `in_liability_window`, `against`（步骤 step）",
    ),
    (
        '`ask = "case"`',
        "一个办件在某日的状态 a case at the end of a day: `handling`, `case_no`, `on`, `asker`（默认办理方 the handling side）→ "
        "`state`, `next`, `deciding`, `due`, `overdue`, `findings`, … 或 or `refused`；"
        "加 `known_at` 则只按当时已告知的事实 with `known_at` from what had been reported by then",
    ),
    (
        '`ask = "filings"`',
        "持卡人在某一时刻的备案 the filings of who has a card: `card`, `at`, `region`, `asker`（默认发卡省 the issuer）→ `filings`, "
        "`late`, `keeps_insured_place`, `covered`, `findings`",
    ),
    (
        '`ask = "settlement"`',
        "一笔结算的结算链 the chain of a settlement: `settlement_id`, `on`, `institution`, `asker`（默认四川 Sichuan）→ `settlements`, "
        "`standing`, `net`, `left`, `findings` 或 or `refused`",
    ),
    (
        '`ask = "medical_uses"`',
        "持卡人的结算，供参保方 the settlements of who has a card, for the insured side: `card`, `from`, `on`, `asker` → `settlements`, "
        "`total`, `net`",
    ),
    (
        '`ask = "reader"`',
        "持卡人作为读者，两省合计 who has a card as a reader of both networks: `card`, `on`, `asker` → `registered`, `branches`, `open`, "
        "`overdue`, `unpaid`, `stopped`, `go_to`",
    ),
    (
        '`ask = "loans"`',
        "持卡人的或一册书的借阅 the loans of who has a card, or of an item: `card` 或 or `barcode`, `on`, `open`, `asker` → `loans`, "
        "`due`, `days_overdue`, `cross`, `findings`",
    ),
    (
        '`ask = "visits"`',
        "持卡人的入园入馆与预约 the visits and bookings of who has a card: `card`, `on`, `asker` → `visits`, "
        "`visitors`, `bookings`, `findings`",
    ),
    (
        '`ask = "usage"`',
        "`day`, `issuer`, `region`, `scenario` → `uses`, `amount_fen`；"
        "加 `known_at` 则为当时已知的次数 with `known_at` the counts as they were known then",
    ),
)
_TIMES = "时间为北京时间，除非另写。Times are +08:00 unless they say otherwise."


def page_of(scenarios: Iterable[Scenario]) -> str:
    """Returns the whole page."""
    chosen = sorted(scenarios, key=lambda scenario: scenario.file)
    index = ["", "## 目录 Contents", "", "| 情景 | scenario | 文件 file |", "|---|---|---|"]
    index += [f"| {scenario.id} {scenario.title_zh} | {scenario.title_en} | `{scenario.file}` |" for scenario in chosen]
    fields = ["| 字段 field | 含义 meaning |", "|---|---|", *(f"| {name} | {meaning} |" for name, meaning in _FIELDS), "", _TIMES]
    return "\n".join([_HEAD, *fields, *index, *(line for scenario in chosen for line in _section(scenario))]) + "\n"


def _section(scenario: Scenario) -> list[str]:
    lines = ["", f"### {scenario.id} {scenario.title_zh}", "", f"**{scenario.title_en}.** 依据 source: {', '.join(scenario.source)}", ""]
    lines += [f"- 约定 agreement {agreed.code}: {_terms(agreed)}" for agreed in scenario.agreements]
    lines += [f"- 事项 item {_item(item)}" for item in scenario.items]
    lines += [f"- 已知 given: {_step(step, scenario.cards)}" for step in scenario.given]
    for ask in scenario.when:
        lines += [f"- 问 when: {_ask(ask)}", f"  → 则 then: {_then(ask)}"]
    return lines


def _item(item: service_items_pb2.ServiceItemDrafted) -> str:
    said = ", ".join(f"{name} {_value(value)}" for name, value in MessageToDict(item.version, preserving_proto_field_name=True).items())
    return f"{item.item_id} ({PROVINCE_WORDS[item.province]}): {said}"


def _step(step: Step, cards: Mapping[str, Card]) -> str:
    kind = " ".join(KINDS.get(step.kind, (step.kind,)))
    by = " ".join(filter(None, (PROVINCE_WORDS[FEEDS[step.feed]], TELLERS[OWNERS[step.feed]].title)))
    about = f"卡 card `{step.card}` ({PROVINCE_WORDS[cards[step.card].issuer]}): " if step.card else ""
    said = ", ".join(f"{name} {_value(value)}" for name, value in (*step.envelope.items(), *step.says.items()))
    late = f"，{local_text(step.arrives_us)} 才到 arrives only then" if step.arrives_us != step.at_us else ""
    quarantined = f" → 隔离 quarantined: `{step.quarantined}`" if step.quarantined else ""
    name = f"（记作 called `{step.name}`）" if not step.name.startswith("given ") else ""
    return f"{local_text(step.at_us)}, {by}: {about}{kind}{f' ({said})' if said else ''}{name}{late}{quarantined}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} {_value(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    return str(value)


def _terms(agreed: Agreed) -> str:
    terms = agreed.terms
    until = f" – {local_text(terms.valid_to.ToMicroseconds())}" if terms.HasField("valid_to") else " –"
    where = f"，地区 places {', '.join(terms.serving_regions)}" if terms.serving_regions else ""
    venues = f"，场馆 venues {', '.join(terms.venues)}" if terms.venues else ""
    sides = f"{'、'.join(PROVINCE_WORDS[side] for side in terms.issuer_provinces)} 的卡 cards"
    hosts = "、".join(PROVINCE_WORDS[side] for side in terms.serving_provinces)
    since = local_text(terms.valid_from.ToMicroseconds())
    return f"{', '.join(terms.scenarios)}，{sides} → {hosts}{where}{venues}，{since}{until}{_changes(agreed)}"


def _changes(agreed: Agreed) -> str:
    said = (("中止 suspended", agreed.suspended_us), ("恢复 resumed", agreed.resumed_us), ("终止 ended", agreed.ended_us))
    return "".join(f"，{local_text(at_us)} {what}" for what, at_us in said if at_us)


def _ask(ask: Ask) -> str:
    reference = tables.load()
    if ask.kind == "case":
        return cases.ask_text(ask)
    if ask.kind in LEDGERS:
        return LEDGERS[ask.kind].ask_text(ask)
    if ask.kind == "use":
        known = f"；该设备 {local_text(ask.hotlist_us)} 起有黑名单 its device has the hotlist since" if ask.hotlist_us is not None else ""
        return f"{local_text(ask.at_us)}, 卡 card `{ask.card}`: 离线使用是否有效 whether an offline use is valid{known}"
    if ask.kind in ("standing", "findings"):
        what = "状态 its standing" if ask.kind == "standing" else "相互矛盾的事实 facts that contradict each other"
        return f"{local_text(ask.at_us)}, 卡 card `{ask.card}`: {what}"
    scenario = reference.scenarios[ask.scenario][-1]
    place = _place(ask)
    known = f"（按 {local_text(ask.known_us)} 已告知的事实 with what was reported by then）" if ask.known_us is not None else ""
    if ask.kind == "usage":
        return (
            f"{ask.day}{known}, {place}, {scenario.name_zh} {scenario.name_en}: {PROVINCE_WORDS[ask.issuer]} 的卡用了几次 uses of its cards"
        )
    medium = reference.media[ask.medium][-1]
    shown = f"{medium.name_zh} {medium.name_en}"
    venue = f"，场馆 venue {ask.venue}" if ask.venue else ""
    claims = f"；服务点称 claims: {_claims(ask)}" if ask.claims is not None else ""
    claims += f"；所涉 about: {', '.join(f'{name} {_value(value)}' for name, value in ask.refs.items())}" if ask.refs else ""
    return f"{local_text(ask.at_us)}{known}, {place}{venue}: 卡 card `{ask.card}`, {scenario.name_zh} {scenario.name_en}, {shown}{claims}"


def _place(ask: Ask) -> str:
    versions = tables.load().regions[ask.region]
    region = tables.load().region(ask.region, local_day(ask.at_us)) if ask.at_us else None
    named = region or versions[-1]
    return f"{named.name_zh} {named.name_en} ({ask.region})"


def _claims(ask: Ask) -> str:
    assert ask.claims is not None
    found = []
    for field, value in ask.claims.ListFields():
        if field.enum_type is not None:
            shown = str(field.enum_type.values_by_number[value].name)
        elif field.message_type is not None:
            shown = local_text(value.ToMicroseconds())
        else:
            shown = _value(value)
        found.append(f"{field.name} {shown}")
    return ", ".join(found)


def _then(ask: Ask) -> str:
    reference = tables.load()
    if ask.kind == "acceptance":
        zh, en = OUTCOME_WORDS[ask.then["outcome"]]
        reasons = [reference.reason(code) for code in ask.then["reasons"]]
        said = " ".join(f"`{reason.code}` {reason.text_zh} {reason.text_en}" for reason in reasons)
        advice = f" 建议含 advice says: “{ask.then['advice']}”" if "advice" in ask.then else ""
        return f"**{zh} {en}**{f' {said}' if said else ''}{advice}{_rests(ask)}"
    if ask.kind == "use":
        finding = f"`{ask.then['finding']}`" if ask.then.get("finding") else "有效 valid"
        return f"{finding}{'，在责任期内 in the liability window' if ask.then.get('in_liability_window') else ''}"
    if ask.kind == "findings":
        return "; ".join(_finding(finding) for finding in ask.then["findings"]) or "没有 none"
    if ask.kind == "case" or ask.kind in LEDGERS:
        found = [f"发现 findings {'; '.join(map(_finding, ask.then['findings'])) or '没有 none'}"] if "findings" in ask.then else []
        said = cases.then_text(ask.then) if ask.kind == "case" else ledgers.then_text(LEDGERS[ask.kind], ask.then)
        return ", ".join(one for one in (said, *found) if one)
    if ask.kind == "usage":
        return ", ".join(f"{name} {value}" for name, value in ask.then.items())
    return ", ".join(f"{LIFE_WORDS[name]} `{_life(name, value)}`" for name, value in ask.then.items())


def _rests(ask: Ask) -> str:
    kinds = {"CLAIM": "申报 the claim", "RECORD": "记录 the record"}
    said = [f"{rule_id} 依据 rests on {kinds[kind]}" for rule_id, kind in ask.then.get("basis", {}).items()]
    said += [f"{rule_id} 申报与记录不一致 claim and record contradict each other" for rule_id in ask.then.get("contradictions", ())]
    return f"（{'；'.join(said)}）" if said else ""


def _finding(finding: Mapping[str, str]) -> str:
    against = f" ↔ `{finding['against']}`" if "against" in finding else ""
    return f"`{finding['step']}`{against}: {finding['code']}"


def _life(name: str, value: Any) -> str:
    if value is None:
        return "没有 none"
    return local_text(value) if name.endswith("_until") else _value(value)
