"""Coupons and accounts of points of the person who has a card that was found; a look."""

from chuanyu.exchange.v1 import consumption_service_pb2 as protos

from hub.admin.consumption import list_coupons
from hub.console.page import Page, Shown
from hub.console.pages.persons import asked, notes_cell, reports_of, what_is_wrong
from hub.console.tables import Cell, Column, Table, table
from hub.domain.instants import microseconds
from hub.domain.looks import Shown as ShownRecord
from hub.words.ledgers import COUPON_FINDINGS, COUPON_STATES, yuan

_SHOWN = (ShownRecord.SHOWN_RECORD_COUPONS,)


def coupons(page: Page) -> Shown:
    """Shows coupons, accounts of points and their newest entries, as of today."""
    by = asked(page)
    of_person = reports_of(page, _SHOWN, lambda connection, person: list_coupons(connection, person, protos.ListCouponsRequest(), by))
    answer: protos.ListCouponsResponse = of_person.answer
    values = {**of_person.values, "total": answer.total, "balance": sum(one.balance for one in answer.accounts)}
    tables = (_coupons(page, answer), _accounts(page, answer), _entries(page, answer))
    return Shown("coupons", page.t("消费券与积分", "Coupons and points"), values, tables, answer.as_of_position)


def _coupons(page: Page, answer: protos.ListCouponsResponse) -> Table:
    columns = (
        Column("coupon", "券", "Coupon", "code"),
        Column("state", "状态", "State"),
        Column("face", "面额", "Face", "number"),
        Column("funded", "出资方应付", "Funded", "number"),
        Column("funder", "出资方", "Funder"),
        Column("until", "末日", "Last day", "time"),
        Column("redeemed", "核销", "Redeemed", "time"),
        Column("notes", "备注", "Notes"),
    )
    rows = []
    for one in reversed(answer.coupons):
        state = protos.CouponState.Name(one.state).removeprefix("COUPON_STATE_")
        wrong = [what_is_wrong(page, fault, COUPON_FINDINGS) for fault in one.findings]
        last = one.redemptions[-1] if one.redemptions else None
        redeemed = Cell(page.at(microseconds(last.redeemed_at)), f"/journal/{last.position}") if last is not None else "—"
        rows.append(
            (
                one.coupon_id,
                Cell(page.words.of(COUPON_STATES, state), code=state),
                yuan(one.face_fen),
                yuan(one.funded_fen),
                one.funder or "—",
                one.expires_on or "—",
                redeemed,
                notes_cell(page, wrong, is_wrong=bool(wrong)),
            )
        )
    return table("coupons", columns, rows)


def _accounts(page: Page, answer: protos.ListCouponsResponse) -> Table:
    columns = (
        Column("account", "账户", "Account", "code"),
        Column("balance", "余额", "Balance", "number"),
        Column("earned", "增加", "Earned", "number"),
        Column("adjusted", "调整", "Adjusted", "number"),
        Column("spent", "使用", "Spent", "number"),
        Column("uncovered", "未足额", "Not covered", "number"),
        Column("notes", "备注", "Notes"),
    )
    rows = []
    for one in answer.accounts:
        wrong = [what_is_wrong(page, fault, COUPON_FINDINGS) for fault in one.findings]
        notes = notes_cell(page, wrong, is_wrong=bool(wrong))
        rows.append((one.account_id, one.balance, one.earned, one.adjusted, one.spent, one.uncovered, notes))
    return table("accounts", columns, rows)


def _entries(page: Page, answer: protos.ListCouponsResponse) -> Table:
    columns = (
        Column("at", "时刻", "At", "time"),
        Column("account", "账户", "Account", "code"),
        Column("points", "积分", "Points", "number"),
        Column("balance", "余额", "Balance", "number"),
        Column("reason", "事由", "What for"),
        Column("position", "位置", "Position", "number"),
    )
    rows = [
        (
            page.at(microseconds(entry.at)),
            one.account_id,
            f"{entry.points:+,}",
            entry.balance,
            entry.reason_code or "—",
            Cell(f"{entry.position:,}", f"/journal/{entry.position}"),
        )
        for one in answer.accounts
        for entry in one.entries
    ]
    return table("entries", columns, rows)
