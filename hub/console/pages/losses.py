"""Losses across provinces and how far they are, and the editions of the offline hotlist."""

from chuanyu.exchange.v1.control_pb2 import LossType

from hub.console.page import Page, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, table
from hub.journal.hotlist_files import entries
from hub.journal.reader import head_position
from hub.projections.views.losses import listed_losses
from hub.words.names import LOSS_TYPES, LOSSES

MOST = 200


def losses(page: Page) -> Shown:
    """Shows losses, the newest first; no card is named."""
    with page.reading() as connection:
        head, listed = head_position(connection), listed_losses(connection, MOST)
    found = [one for one in listed if page.may_see(one.issuing_province) and page.province in ("", one.issuing_province)]
    columns = (
        Column("issuer", "发卡省", "Issuer"),
        Column("type", "种类", "Type"),
        Column("state", "状态", "State"),
        Column("effective", "自", "From", "time"),
        Column("expires", "暂停至", "Blocked until", "time"),
        Column("position", "位置", "Position", "number"),
    )
    rows = []
    for one in found:
        kind = LossType.Name(one.loss_type).removeprefix("LOSS_TYPE_")  # type: ignore[arg-type]
        rows.append(
            (
                Cell(page.of_province(one.issuing_province), swatch=SWATCHES.get(one.issuing_province, "hub")),
                Cell(page.words.of(LOSS_TYPES, kind), code=kind),
                Cell(page.words.of(LOSSES, one.state), code=one.state, mark="attention" if one.state == "OPEN" else ""),
                page.at(one.effective_us),
                page.at(one.expires_us),
                Cell(f"{one.position:,}", f"/journal/{one.position}"),
            )
        )
    values = {"open": sum(one.state == "OPEN" for one in found)}
    return Shown("losses", page.t("挂失协同", "Losses"), values, (table("losses", columns, rows),), head)


def hotlist(page: Page) -> Shown:
    """Shows the editions that gates have, the newest first."""
    with page.reading() as connection:
        head, found = head_position(connection), entries(connection, MOST)
    columns = (
        Column("epoch", "期", "Epoch", "number"),
        Column("kind", "形式", "Form"),
        Column("made", "制作", "Made", "time"),
        Column("position", "位置", "Position", "number"),
        Column("listed", "列入", "Listed", "number"),
        Column("issued", "已发卡", "Issued", "number"),
        Column("bytes", "字节", "Bytes", "number"),
    )
    rows = []
    for one in found:
        delta = page.t(f"第 {one.base_epoch} 期的增量", f"delta over {one.base_epoch}")
        form = page.t("全量", "snapshot") if one.epoch == one.base_epoch else delta
        rows.append((str(one.epoch), form, page.at(one.made_us), one.position, one.listed, one.issued, one.size_bytes))
    return Shown("hotlist", page.t("挂失名单", "Hotlist"), {}, (table("hotlist", columns, rows),), head)
