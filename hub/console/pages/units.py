"""The concession units of the person who has a card that was found, in one city. Nothing is shown before the look is recorded."""

from chuanyu.exchange.v1 import card_accounts_pb2 as accounts
from chuanyu.exchange.v1 import card_service_pb2 as protos
from chuanyu.exchange.v1 import references_pb2

from hub.admin.concessions import get_balance
from hub.admin.snapshots import about_person
from hub.console.drawing.tiles import places
from hub.console.page import InputUnfit, Page, PageUnknown, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.domain.concessions import city_of, scheme_at
from hub.domain.errors import RequestInvalid
from hub.domain.looks import Shown as ShownRecord
from hub.domain.looks import card_by_key
from hub.intake.request_rules import refuse_unknown_region
from hub.words.names import BINDINGS


def units(page: Page) -> Shown:
    """Shows the balance, and what it is made of."""
    handle = page.parameters["handle"]
    subject = page.subject(handle)
    if subject.card_key is None:
        raise PageUnknown
    region, now_us = page.query.get("city", ""), page.now_us
    cities = cities_with_units(page, now_us)
    region = region or next(iter(cities), "500000")
    try:
        refuse_unknown_region(page.workings.tables, region, now_us, "city")
    except RequestInvalid:
        raise InputUnfit(f"city: {region[:20]}") from None
    ref = card_by_key(subject.issuing_province, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, subject.card_key)
    with page.reading() as connection:
        request = protos.GetConcessionBalanceRequest(region=region)
        is_there, answer = about_person(
            connection,
            subject.card_key,
            lambda reader, person: get_balance(reader, page.workings.tables, person, request, now_us, with_entries=True),
        )
    looked_at = page.look(handle, ref, ShownRecord.SHOWN_RECORD_UNITS if is_there else ShownRecord.SHOWN_RECORD_NOTHING)
    values = {
        "handle": handle,
        "shown_as": subject.shown_as,
        "looked_at": looked_at,
        "answer": answer,
        "other_medium": sum(one.other_medium for one in answer.entries),
        "city": region,
        "city_name": page.region(answer.city),
        "cities": cities,
        "binding": page.words.of(BINDINGS, accounts.ConcessionBinding.Name(answer.binding).removeprefix("CONCESSION_BINDING_")),
    }
    return Shown("units", page.t("优待次数", "Concession units"), values, (_entries(page, answer),), answer.as_of_position)


def cities_with_units(page: Page, at_us: int) -> dict[str, str]:
    """Returns the cities that give units, with their names."""
    cities = dict.fromkeys(city_of(tile.code) for tile in places() if scheme_at(page.workings.tables, tile.code, at_us) is not None)
    return {city: page.region(city) for city in cities}


def _entries(page: Page, answer: protos.GetConcessionBalanceResponse) -> Table:
    columns = (
        Column("day", "业务日", "Business day", "time"),
        Column("at", "时刻", "At", "time"),
        Column("units", "次数", "Units", "number"),
        Column("left", "来源称剩余", "Left, by its source", "number"),
        Column("position", "位置", "Position", "number"),
    )
    rows = []
    for one in answer.entries:
        left = f"{one.units_left:,}" if one.HasField("units_left") else "—"
        at = page.at(one.occurred_at.ToMicroseconds())
        units = Cell(f"{one.units:,}", mark="attention" if one.other_medium else "")
        rows.append((one.business_day, at, units, left, Cell(f"{one.position:,}", f"/journal/{one.position}")))
    return table("units", columns, rows)
