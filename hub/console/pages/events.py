"""One event: who reported it when, what it says without anybody's identifiers, and what corrects it."""

from hub.console.page import Moved, Page, PageForbidden, PageUnknown, Shown
from hub.console.tables import Cell, Column, Table, table
from hub.domain.masking import in_clear
from hub.domain.participant import PREFIX
from hub.journal.corrections import corrected_by
from hub.journal.reader import Recorded, events_at, events_named, head_position
from hub.journal.streams import StreamRow, stream_row
from hub.journal.traces import traces_at
from hub.words.further_kinds import kind_words


def event_of_feed(page: Page) -> Moved:
    """Finds an event by its feed and number."""
    name = (page.parameters["feed"], page.whole("sequence"))
    with page.reading() as connection:
        found = events_named(connection, [name]).get(name)
    if found is None or found[1] is None:
        raise PageUnknown(f"{name[0][:63]}#{name[1]}")
    return Moved(f"/journal/{found[1].position}")


def event(page: Page) -> Shown:
    """Shows an event by its position."""
    position = page.whole("position")
    with page.reading() as connection:
        head = head_position(connection)
        found = events_at(connection, [position])
        if not found:
            raise PageUnknown(f"{position:,}")
        recorded = found[0]
        stream = stream_row(connection, recorded.stream_id)
        correcting = corrected_by(connection, recorded.stream_id, recorded.sequence)
        parents = traces_at(connection, position) or []
    _refuse_another_province(page, recorded, stream)
    values = {
        "recorded": recorded,
        "stream": stream,
        "owner": stream.owner.removeprefix(PREFIX),
        "kind": page.t(*kind_words(recorded.kind)),
        "occurred": page.at(recorded.occurred_us),
        "recorded_at": page.at(recorded.recorded_us),
        "correcting": correcting,
        "corrects": _named(recorded, "corrects"),
        "reverses": _named(recorded, "reverses"),
        "traces": list(dict.fromkeys(parent[3:35] for parent in parents)),
        "head": head,
        "province": page.of_province(recorded.event.card.issuing_province) if recorded.event.card.issuing_province else "",
    }
    return Shown("event", f"{stream.name}#{recorded.sequence}", values, (_fields(page, recorded),), head)


def _refuse_another_province(page: Page, recorded: Recorded, stream: StreamRow) -> None:
    """What another province reported about its own card is not shown."""
    concerned = {page.workings.province_of(stream.owner), recorded.event.card.issuing_province, recorded.event.service_region[:2]} - {""}
    if concerned and not any(page.may_see(province) for province in concerned):
        raise PageForbidden


def _named(recorded: Recorded, field: str) -> tuple[str, int] | None:
    if not recorded.event.HasField(field):  # type: ignore[arg-type]
        return None
    ref = getattr(recorded.event, field)
    return ref.feed, ref.sequence


def _fields(page: Page, recorded: Recorded) -> Table:
    """Lists what an event says; identifiers are keys there, which nobody is shown."""
    columns = (Column("field", "字段", "Field", "code"), Column("value", "内容", "Content"))
    rows = []
    for path, text in in_clear(recorded.event):
        is_key = path.rpartition(".")[2] == "key"
        rows.append((path, Cell(page.t("（代号，不显示）", "(a key, not shown)")) if is_key else Cell(text[:200])))
    return table("fields", columns, rows)
