"""Agreements in force on a day as one grid: which scenarios, in which direction, by which medium; and one agreement's history."""

from collections.abc import Iterable
from typing import Any

from chuanyu.exchange.v1.acceptance_pb2 import Medium
from chuanyu.exchange.v1.hub_decisions_pb2 import AgreementTerms

from hub.audit.as_of import agreements_at
from hub.console.page import Page, PageUnknown, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.domain.agreement import Agreements, Terms
from hub.domain.agreement_history import Version, versions
from hub.domain.instants import DAY_US, epoch_day_of, midnight_us
from hub.journal.reader import head_position
from hub.projections.views.agreements import find_history
from hub.words.names import GROUPS
from hub.words.seen import VALUES

DIRECTIONS = (("50", "51"), ("51", "50"))
_NO_CONCESSION = "NONE"


def terms(page: Page) -> Shown:
    """Shows the grid of a day."""
    on = page.day("on")
    # The last moment of the day: what begins on it is in force on it.
    at_us = page.now_us if on == page.today else midnight_us(epoch_day_of(on)) + DAY_US - 1
    with page.reading() as connection:
        head, known = head_position(connection), page.known(connection)
        found = agreements_at(connection, known.position if known is not None else head)
    values = {
        "on": on.isoformat(),
        "is_today": on == page.today,
        "known": page.query.get("known", ""),
        "count": sum(1 for one in found if one.is_in_force(at_us)),
    }
    return Shown("terms", page.t("约定", "Agreements"), values, (_grid(page, found, at_us),), head, known=known)


def _grid(page: Page, found: Agreements, at_us: int) -> Table:
    columns = (
        Column("scenario", "场景", "Scenario"),
        Column("cq_in_sc", "重庆卡在四川", "Chongqing cards in Sichuan"),
        Column("cq_in_sc_media", "方式", "Media"),
        Column("sc_in_cq", "四川卡在重庆", "Sichuan cards in Chongqing"),
        Column("sc_in_cq_media", "方式", "Media"),
    )
    rows = []
    for code in sorted(page.workings.tables.scenario_codes, key=lambda code: (list(GROUPS).index(code.partition(".")[0]), code)):
        cells: list[Cell | str] = [Cell(page.scenario(code), code=code)]
        for issuer, serving in DIRECTIONS:
            about = [one for one in found if issuer in one.issuer_provinces and serving in one.serving_provinces]
            cells += _cells(page, [one for one in about if one.covers_scenario(code) and one.spans(at_us)], at_us)
        rows.append(cells)
    return table("terms", columns, rows)


def _cells(page: Page, about: list[Terms], at_us: int) -> tuple[Cell, Cell]:
    """Says which agreement is in force, and by which media; a suspended one is shown as such."""
    if not about:
        return Cell("—"), Cell("")
    holding = [one for one in about if not one.is_suspended(at_us)] or about
    first = holding[0]
    more = f" +{len(holding) - 1}" if len(holding) > 1 else ""
    partly = page.t("（部分地区）", " (some places)") if first.serving_regions or first.venues else ""
    mark = "attention" if first.is_suspended(at_us) else ""
    said = page.t("中止 ", "suspended ") if mark else ""
    concession = "" if first.concession == _NO_CONCESSION else page.t(" · 含优惠", " · with concession")
    return Cell(f"{said}{first.code}{more}{partly}{concession}", f"/terms/{first.code}", mark), Cell(media_words(page, first.media))


def media_words(page: Page, media: Iterable[int]) -> str:
    """Says by which media, all where none is named."""
    names = [page.words.of(VALUES, Medium.Name(one).removeprefix("MEDIUM_")) for one in sorted(media)]  # type: ignore[arg-type]
    return page.t("、", ", ").join(names) or page.t("全部", "all")


def agreement(page: Page) -> Shown:
    """Shows one agreement: its versions, when each is in force, its suspensions and its end."""
    named = page.parameters["code"]
    with page.reading() as connection:
        # A later version is named by the agreement's code and its number.
        head, history = head_position(connection), find_history(connection, named) or find_history(connection, named.rpartition(".")[0])
    if history is None:
        raise PageUnknown(named[:40])
    code = history.agreement_code
    known = versions(history)
    pauses = table(
        "pauses",
        (Column("from", "自", "From", "time"), Column("until", "至", "Until", "time"), Column("reason", "原因", "Reason", "code")),
        [(_instant(page, one, "from_at"), _instant(page, one, "until_at"), one.reason_code) for one in history.pauses],
    )
    values = {
        "code": code,
        "versions": [(one, _lines(page, one.terms), _span(page, one)) for one in reversed(known)],
        "ended": page.at(history.ended_at.ToMicroseconds()) if history.HasField("ended_at") else "",
        "proposal": _lines(page, history.proposal.terms) if history.HasField("proposal") else [],
        "signatures": [(one.side, one.maker, one.checker) for one in history.proposal.signatures] if history.HasField("proposal") else [],
    }
    return Shown("agreement", code, values, (pauses,), head)


def _instant(page: Page, message: Any, field: str) -> str:
    return page.at(getattr(message, field).ToMicroseconds()) if message.HasField(field) else "…"


def _span(page: Page, version: Version) -> str:
    return f"{page.at(version.from_us)[:10]} → {page.at(version.to_us)[:10] if version.to_us is not None else '…'}"


def _lines(page: Page, one: AgreementTerms) -> list[tuple[str, str]]:
    return [
        (page.t("场景", "Scenarios"), " ".join(one.scenarios)),
        (page.t("发卡方", "Issuers"), " ".join(map(page.of_province, one.issuer_provinces))),
        (page.t("用卡方", "Serving"), " ".join(map(page.of_province, one.serving_provinces))),
        (page.t("地区", "Regions"), " ".join(one.serving_regions) or page.t("全部", "all")),
        (page.t("方式", "Media"), media_words(page, one.media)),
        (page.t("依据", "Legal basis"), one.legal_basis or "—"),
        (page.t("来源", "Source"), one.source or "—"),
    ]
