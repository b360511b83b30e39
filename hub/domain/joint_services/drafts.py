"""What an officer's draft must satisfy before anyone approves it; each refusal names the field."""

from datetime import date

from chuanyu.exchange.v1 import service_items_pb2 as protos

from hub.domain.errors import RegionNotInForce, RequestInvalid, UnknownItem, ValidityReversed
from hub.domain.instants import epoch_day_of
from hub.domain.joint_services.catalogue import Catalogue


def check_draft(catalogue: Catalogue, drafted: protos.ServiceItemDrafted) -> None:
    """Raises RequestInvalid, RegionNotInForce or ValidityReversed; regions are those of the first day."""
    begins, ends = _day(drafted, "valid_from"), _day(drafted, "valid_to") if drafted.version.valid_to else None
    if ends is not None and ends <= begins:
        raise ValidityReversed(field="version.valid_to")
    for prefix in drafted.version.regions:
        if not _is_region(catalogue, prefix, begins) or not prefix.startswith(drafted.province):
            raise RegionNotInForce(field="version.regions", region=prefix)
    problems = [*_about_item(catalogue, drafted)]
    codes = [material.code for material in drafted.version.materials]
    if len(set(codes)) < len(codes):
        problems.append(("version.materials", "repeated"))
    if problems:
        raise RequestInvalid(problems)


def _day(drafted: protos.ServiceItemDrafted, field: str) -> date:
    try:
        return date.fromisoformat(getattr(drafted.version, field))
    except ValueError:
        raise RequestInvalid([(f"version.{field}", "impossible_date")]) from None


def _is_region(catalogue: Catalogue, prefix: str, on: date) -> bool:
    regions, day = catalogue.reference.regions, epoch_day_of(on)
    return any(len(code) == 6 and code.startswith(prefix) and catalogue.reference.is_region(code, day) for code in regions)


def _about_item(catalogue: Catalogue, drafted: protos.ServiceItemDrafted) -> list[tuple[str, str]]:
    """Returns what is wrong with the item that it names: an item of the table is defined there alone, any other with its first version."""
    problems = []
    if drafted.item_id in catalogue.reference.service_items.items:
        if drafted.HasField("definition"):
            problems.append(("definition", "is_in_the_table"))
    elif not drafted.HasField("definition") and not catalogue.is_defined(drafted.item_id):
        problems.append(("definition", "required"))
    codes = {"version.implementing_code": drafted.version.implementing_code, "definition.base_code": drafted.definition.base_code}
    for field, code in codes.items():
        if code and _owner(catalogue, code) not in ("", drafted.item_id):
            problems.append((field, "of_another_item"))
    return problems


def _owner(catalogue: Catalogue, code: str) -> str:
    try:
        return catalogue.item_id(code)
    except UnknownItem:
        return ""
