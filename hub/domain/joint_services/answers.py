"""The answers about the catalogue, one function each: the service and the commands give the same because both ask here."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import Any

from chuanyu.exchange.v1 import service_item_service_pb2 as protos
from chuanyu.exchange.v1 import service_items_pb2 as items
from chuanyu.exchange.v1 import usage_government_pb2 as government
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from hub.domain.agreement import SIDES
from hub.domain.errors import RequestInvalid
from hub.domain.joint_services.catalogue import Catalogue, Day, Entry
from hub.domain.joint_services.sides import State

PAGE = 50
MOST_CHANGES = 1_000
_LIVE = State.SERVICE_ITEM_STATE_LIVE


def list_items(catalogue: Catalogue, request: protos.ListServiceItemsRequest, today: date) -> protos.ListServiceItemsResponse:
    """Returns a page of the items that the filter wants; raises BeforeCatalogue, or RequestInvalid for the token of another list."""
    day = catalogue.on(day_asked(request.as_of, "as_of", today))
    wanted = request.filter
    found = day.search.find(wanted.text) if wanted.text else list(day.entries)
    matching = [entry for entry in map(day.entries.__getitem__, found) if _is_wanted(entry, wanted)]
    size, begin = request.page_size or PAGE, _begin(request.page_token, catalogue.changes)
    end = begin + size
    return protos.ListServiceItemsResponse(
        items=[item_message(entry) for entry in matching[begin:end]],
        next_page_token=f"{end}.{catalogue.changes}" if end < len(matching) else "",
        total=len(matching),
        figures=figures(day),
        version=version_of(catalogue),
    )


def get_item(catalogue: Catalogue, request: protos.GetServiceItemRequest, today: date) -> protos.GetServiceItemResponse:
    """Returns one item with its history; raises UnknownItem or BeforeCatalogue."""
    day = catalogue.on(day_asked(request.as_of, "as_of", today))
    entry = day.entries[catalogue.item_id(request.code)]
    return protos.GetServiceItemResponse(
        item=item_message(entry),
        periods=list(_history(catalogue, entry.item_id)),
        successors=[item_message(day.entries[code]) for code in entry.definition.successors if code in day.entries],
        as_of=day.on.isoformat(),
        version=version_of(catalogue),
    )


def compare(catalogue: Catalogue, request: protos.CompareCatalogueRequest) -> protos.CompareCatalogueResponse:
    """Returns what changed between two days; raises BeforeCatalogue, or RequestInvalid where the second is not after the first."""
    before, after = (catalogue.on(day_asked(getattr(request, field), field, date.min)) for field in ("from_on", "to_on"))
    if after.on <= before.on:
        raise RequestInvalid([("to_on", "not_after")])
    changes = [change for item_id, entry in after.entries.items() for change in _changes(before.entries[item_id], entry)]
    return protos.CompareCatalogueResponse(
        from_figures=figures(before),
        to_figures=figures(after),
        changes=changes[:MOST_CHANGES],
        total=len(changes),
        version=version_of(catalogue),
    )


def day_asked(written: str, field: str, today: date) -> date:
    """Returns the day of a request, today where it names none; raises RequestInvalid where the calendar has no such day."""
    try:
        return date.fromisoformat(written) if written else today
    except ValueError:
        raise RequestInvalid([(field, "impossible_date")]) from None


def version_of(catalogue: Catalogue) -> protos.CatalogueVersion:
    """Names the catalogue that an answer comes from."""
    return protos.CatalogueVersion(tables_digest=catalogue.reference.digest, changes=catalogue.changes)


@lru_cache(128)
def figures(day: Day) -> protos.CatalogueFigures:
    """Counts the named items of a day, beside what was published by then; neither goes into the other."""
    entries = day.entries.values()
    shared = [entry for entry in entries if entry.is_shared]
    modes = Counter(map(_mode, shared))
    bases = Counter(items.ServiceItemBasis.Name(entry.basis).removeprefix("SERVICE_ITEM_BASIS_") for entry in entries)
    return protos.CatalogueFigures(
        as_of=day.on.isoformat(),
        published=[
            protos.PublishedFigure(
                measure=figure.measure,
                batch=figure.batch,
                value=figure.value,
                published_on=figure.published_on.isoformat(),
                basis=items.ServiceItemBasis.Value(f"SERVICE_ITEM_BASIS_{figure.basis}"),
                source=figure.source,
            )
            for figure in day.figures
        ],
        named=len(day.entries),
        named_shared=len(shared),
        named_not_known=sum(any(side.state == State.SERVICE_ITEM_STATE_NOT_KNOWN for side in entry.sides) for entry in entries),
        shared_by_mode=_counts(modes),
        named_by_basis=_counts(bases),
    )


def item_message(entry: Entry) -> protos.ServiceItem:
    """Returns an item as answers have it."""
    message = protos.ServiceItem(item_id=entry.item_id, definition=entry.definition, shared=entry.is_shared, packages=entry.packages)
    for side in entry.sides:
        message.sides.add(province=side.province, state=side.state, version=side.version)
    return message


def _begin(token: str, changes: int) -> int:
    if not token:
        return 0
    begin, _, made_at = token.partition(".")
    if not (begin.isdecimal() and begin.isascii() and len(begin) <= 9 and made_at == str(changes)):
        raise RequestInvalid([("page_token", "page_of_another_list")])
    return int(begin)


def _is_wanted(entry: Entry, wanted: protos.ServiceItemFilter) -> bool:
    sides = [side for side in entry.sides if wanted.province in ("", side.province)]
    return (
        wanted.department in ("", entry.definition.department)
        and (not wanted.HasField("shared") or wanted.shared == entry.is_shared)
        and (not wanted.state or any(side.state == wanted.state for side in sides))
        and (
            not wanted.mode or any(side.version is not None and side.version.mode == wanted.mode and side.state == _LIVE for side in sides)
        )
        and (not wanted.life_event or wanted.life_event in entry.definition.life_events)
        and (not wanted.package_id or wanted.package_id in entry.packages)
    )


def _history(catalogue: Catalogue, item_id: str) -> Iterator[protos.ServiceItemPeriod]:
    for province in SIDES:
        for period in catalogue.periods.get((item_id, province), ()):
            to_on = "" if period.to_day is None else date.fromordinal(period.to_day).isoformat()
            yield protos.ServiceItemPeriod(
                province=province, from_on=date.fromordinal(period.from_day).isoformat(), to_on=to_on, version=period.version
            )


def _mode(entry: Entry) -> str:
    modes = {side.version.mode for side in entry.sides if side.version is not None}
    return government.CaseMode.Name(modes.pop()).removeprefix("CASE_MODE_") if len(modes) == 1 else "MIXED"


def _counts(counted: Counter[str]) -> list[protos.NamedCount]:
    return [protos.NamedCount(name=name, count=count) for name, count in sorted(counted.items())]


# What makes two versions differ, in the order of the message; when and where they are published does not.
_COMPARED = tuple(
    field
    for field in items.ServiceItemVersion.DESCRIPTOR.fields
    if field.name not in ("state", "basis", "valid_from", "valid_to", "known_by_only", "source")
)
_DEFINED = tuple(items.ServiceItemDefinition.DESCRIPTOR.fields)


def _changes(before: Entry, after: Entry) -> Iterator[protos.ServiceItemChange]:
    """Yields the differences of one item: what it is, whether it is shared, then each side."""

    def change(province: str, field: str, old: str, new: str) -> protos.ServiceItemChange:
        return protos.ServiceItemChange(
            item_id=after.item_id, name_zh=after.definition.name_zh, province=province, field=field, before=old, after=new
        )

    if before.is_shared != after.is_shared:
        yield change("", "shared", str(before.is_shared).lower(), str(after.is_shared).lower())
    for field in _DEFINED:
        if (old := _text(before.definition, field)) != (new := _text(after.definition, field)):
            yield change("", field.name, old, new)
    for was, is_now in zip(before.sides, after.sides, strict=True):
        if was.state != is_now.state:
            yield change(is_now.province, "state", _state(was.state), _state(is_now.state))
        if was.version is not None and is_now.version is not None:
            for field in _COMPARED:
                if (old := _text(was.version, field)) != (new := _text(is_now.version, field)):
                    yield change(is_now.province, field.name, old, new)


def _state(number: int) -> str:
    return State.Name(number).removeprefix("SERVICE_ITEM_STATE_")  # type: ignore[arg-type]


def _text(message: Message, field: FieldDescriptor) -> str:
    """Returns a field as text; empty where it is not known."""
    if field.is_repeated:
        return ";".join(_one(field, value) for value in getattr(message, field.name))
    return _one(field, getattr(message, field.name)) if not field.has_presence or message.HasField(field.name) else ""


def _one(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name if value else ""
    if field.message_type is not None:
        waiver = items.MaterialWaiver.Name(value.waived_by).removeprefix("MATERIAL_WAIVER_")
        return f"{value.code}:{waiver}" if value.waived_by else str(value.code)
    return str(value).lower() if isinstance(value, bool) else str(value)
