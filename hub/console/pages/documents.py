"""Documents and codes that the cards of a person carry, each with days of its own; the look is recorded first."""

from chuanyu.exchange.v1 import card_service_pb2 as protos
from chuanyu.exchange.v1 import control_pb2 as control

from hub.admin.documents import list_documents
from hub.console.page import Page, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.pages.persons import reports_of
from hub.console.tables import Cell, Column, table
from hub.domain.instants import local_day, microseconds
from hub.domain.looks import Shown as ShownRecord
from hub.words.names import CARD_DOCUMENTS


def documents(page: Page) -> Shown:
    """Shows what each province said last of each document."""
    look = (ShownRecord.SHOWN_RECORD_DOCUMENTS,)
    of_person = reports_of(page, look, lambda connection, person: list_documents(connection, person, page.now_us))
    columns = (
        Column("document", "证照", "Document"),
        Column("from", "起", "From", "time"),
        Column("to", "止", "To", "time"),
        Column("state", "状态", "State"),
        Column("province", "谁报", "Reported by"),
        Column("position", "位置", "Position", "number"),
    )
    rows = []
    for one in of_person.answer.documents:
        name = control.CardDocument.Name(one.document).removeprefix("CARD_DOCUMENT_")
        rows.append(
            (
                Cell(page.words.of(CARD_DOCUMENTS, name), code=name),
                one.valid_from or "—",
                one.valid_to or (page.t("长期", "no end") if one.valid_from else "—"),
                _state(page, one),
                Cell(page.of_province(one.province), swatch=SWATCHES.get(one.province, "hub")),
                Cell(f"{one.position:,}", f"/journal/{one.position}"),
            )
        )
    title = page.t("卡上证照", "Documents on the card")
    return Shown("documents", title, of_person.values, (table("documents", columns, rows),), of_person.answer.as_of_position)


def _state(page: Page, one: protos.CarriedDocument) -> Cell:
    if one.HasField("withdrawn_at"):
        day = local_day(microseconds(one.withdrawn_at)).isoformat()
        return Cell(page.t(f"已注销 {day}", f"withdrawn {day}"))
    return Cell(page.t("有效", "in force"), mark="fine") if one.in_force else Cell(page.t("不在有效期", "not in force"))
