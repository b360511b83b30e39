"""The reference tables the hub decides by: regions, UnionPay areas, scenarios, reasons, policy, seed agreements; and those people read:
identity documents, media, banks, published figures, the catalogue of 川渝通办, settlement schemes.

They are CSV files beside this module, effective-dated and with their sources at their head, so that a clerk can read
and a diff can show them. A set that contradicts itself is refused as a whole: a hub that started on it would give
answers no one could explain later. `Reference.digest` names the set a decision was made by (decision D9).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TypeVar

from hub.domain.instants import epoch_day_of
from hub.domain.reference import fund_reason_rows, rows, rule_rows, service_items, settlement_rows, working_day_rows
from hub.domain.reference.reading import Cells, InvalidReferenceTable, in_force, is_named, read_table, versions_by_key
from hub.domain.reference.rows import Bank, IdType, Medium, Region, Scenario, Target, UnionpayArea
from hub.domain.reference.rule_rows import Agreement, Policy, Reason

__all__ = [
    "Agreement",
    "Bank",
    "IdType",
    "InvalidReferenceTable",
    "Medium",
    "Policy",
    "Reason",
    "Reference",
    "Region",
    "Scenario",
    "Target",
    "UnionpayArea",
    "load",
]

Row = TypeVar("Row")

_TABLES = (
    "agreements.csv",
    "banks.csv",
    "id_types.csv",
    "media.csv",
    "policy.csv",
    "reasons.csv",
    "regions.csv",
    "scenarios.csv",
    "targets.csv",
    "unionpay_areas.csv",
    *service_items.TABLES,
    fund_reason_rows.TABLE,
    settlement_rows.TABLE,
    working_day_rows.TABLE,
)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """All tables of one set, looked up by code and day; the mappings are never written to after `load`."""

    digest: str
    regions: Mapping[str, tuple[Region, ...]]
    scenarios: Mapping[str, tuple[Scenario, ...]]
    scenario_codes: frozenset[str]
    reasons: Mapping[str, Reason]
    policies: Mapping[tuple[str, str], tuple[Policy, ...]]
    regional_policies: Mapping[tuple[str, str], tuple[tuple[Policy, ...], ...]]
    unionpay_areas: Mapping[str, tuple[UnionpayArea, ...]]
    id_types: Mapping[str, tuple[IdType, ...]]
    media: Mapping[str, tuple[Medium, ...]]
    banks: Mapping[str, tuple[Bank, ...]]
    targets: Mapping[str, tuple[Target, ...]]
    agreements: tuple[Agreement, ...]
    service_items: service_items.ServiceItemTables
    working_days: working_day_rows.WorkingDays
    schemes: settlement_rows.Schemes
    return_reasons: Mapping[str, fund_reason_rows.ReturnReason]
    region_days: Mapping[str, tuple[int, int]]
    kin: Mapping[str, tuple[str, ...]]

    def region(self, code: str, on: date) -> Region | None:
        """Returns the region that bore the code on the day, or None."""
        return in_force(self.regions.get(code, ()), on)

    def is_region(self, code: str, on_epoch_day: int) -> bool:
        """Returns whether the code named a region, town or test region on the day, counted from 1970-01-01.

        One lookup: the versions of a code leave no gap, so one first and one last day a code are enough.
        """
        days = self.region_days.get(code)
        return days is not None and days[0] <= on_epoch_day < days[1]

    def regions_in_force(self, on: date) -> list[Region]:
        """Returns every region of the day, in order of code."""
        found = (in_force(versions, on) for _, versions in sorted(self.regions.items()))
        return [region for region in found if region is not None]

    def scenario(self, code: str, on: date) -> Scenario | None:
        """Returns the scenario as the catalogue had it on the day, or None."""
        return in_force(self.scenarios.get(code, ()), on)

    def reason(self, code: str) -> Reason:
        """Returns the reason; an unknown code is our bug and raises KeyError."""
        return self.reasons[code]

    def policy(self, parameter: str, place: str, on: date) -> Policy | None:
        """Returns what the parameter was in a province ("50", "51") or region on the day, or None where not recorded.

        Rows for the region come first, also under the codes it had before a split or has since; then those for the whole province.
        """
        key = (parameter, place[:2])
        for versions in self.regional_policies.get(key, ()) if len(place) > 2 else ():
            named = versions[0].regions
            if any(code.startswith(named) for code in (place, *self.kin.get(place, ()))) and (row := in_force(versions, on)) is not None:
                return row
        return in_force(self.policies.get(key, ()), on)

    def id_type(self, code: str, on: date) -> IdType | None:
        """Returns the identity document an AAC058 code meant on the day, or None."""
        return in_force(self.id_types.get(code, ()), on)

    def medium(self, code: str, on: date) -> Medium | None:
        """Returns the medium as the table had it on the day, or None."""
        return in_force(self.media.get(code, ()), on)

    def bank(self, code: str, on: date) -> Bank | None:
        """Returns the partner bank as it was on the day, or None."""
        return in_force(self.banks.get(code, ()), on)

    def target(self, code: str, on: date) -> Target | None:
        """Returns the published figure of the day, or None."""
        return in_force(self.targets.get(code, ()), on)

    def unionpay_region(self, unionpay_code: str) -> str | None:
        """Returns the GB/T 2260 code of the region the UnionPay area code means today, or None."""
        versions = self.unionpay_areas.get(unionpay_code)
        return versions[-1].region if versions else None


@cache
def load(directory: Path = Path(__file__).parent) -> Reference:
    """Loads and checks the tables in the directory, once a process; raise InvalidReferenceTable where they are wrong."""
    contents = {name: _content(directory, name) for name in _TABLES}
    regions = _regions(_read("regions.csv", contents, Region, rows.read_region))
    provinces = {code[:2] for code, versions in regions.items() if versions[0].level == "province"}
    areas = _read("unionpay_areas.csv", contents, UnionpayArea, rows.read_unionpay_area)
    for cells, _ in areas:
        cells.one_of("region", regions)
    policies = _read("policy.csv", contents, Policy, rule_rows.read_policy)
    for cells, policy in policies:
        cells.one_of("province", provinces)
        if not all(code.startswith(policy.province) and any(known.startswith(code) for known in regions) for code in policy.regions):
            raise cells.refuse("regions", "UNKNOWN")
    provincial = [row for row in policies if not row[1].regions]
    banks = _read("banks.csv", contents, Bank, rows.read_bank)
    for cells, _ in banks:
        cells.one_of("province", provinces)
    targets = _read("targets.csv", contents, Target, rows.read_target)
    for cells, _ in targets:
        cells.one_of("province", {"", *provinces})
    id_types = _read("id_types.csv", contents, IdType, rows.read_id_type)
    media = _read("media.csv", contents, Medium, rows.read_medium)
    scenarios = versions_by_key(_read("scenarios.csv", contents, Scenario, rows.read_scenario), lambda row: row.code)
    agreements = _read("agreements.csv", contents, Agreement, rule_rows.read_agreement)
    return Reference(
        digest=_digest(contents),
        regions=regions,
        scenarios=scenarios,
        scenario_codes=frozenset(scenarios),
        reasons=_reasons(_read("reasons.csv", contents, Reason, rule_rows.read_reason)),
        policies=versions_by_key(provincial, lambda row: (row.parameter, row.province)),
        regional_policies=_regional([row for row in policies if row[1].regions]),
        unionpay_areas=versions_by_key(areas, lambda row: row.unionpay_code),
        id_types=versions_by_key(id_types, lambda row: row.code),
        media=versions_by_key(media, lambda row: row.code),
        banks=versions_by_key(banks, lambda row: row.code),
        targets=versions_by_key(targets, lambda row: row.code),
        agreements=_agreements(agreements, scenarios, regions, provinces),
        service_items=service_items.read_service_items(contents, provinces, regions),
        working_days=working_day_rows.read_working_days(contents),
        schemes=settlement_rows.read_schemes(contents, scenarios),
        return_reasons=fund_reason_rows.read_return_reasons(contents),
        region_days={code: _epoch_days(versions) for code, versions in regions.items()},
        kin=_kin(regions),
    )


def _content(directory: Path, table: str) -> bytes:
    """Returns the bytes of a table, which must be there."""
    try:
        return (directory / table).read_bytes()
    except FileNotFoundError:
        raise InvalidReferenceTable(table, 0, "file", "MISSING") from None


def _read(table: str, contents: Mapping[str, bytes], row_class: type[Row], read_row: Callable[[Cells], Row]) -> list[tuple[Cells, Row]]:
    """Reads a table whose columns are the fields of its row class, but for the version, which is derived."""
    columns = tuple(field.name for field in fields(row_class) if field.name != "version")  # type: ignore[arg-type]
    return read_table(table, contents[table], columns, read_row)


def tables_digest(directory: Path) -> str:
    """Returns the digest of the tables in the directory as `Reference.digest` has it, of another version's set too."""
    return _digest({path.name: path.read_bytes() for path in directory.glob("*.csv")})


def _digest(contents: Mapping[str, bytes]) -> str:
    """Returns the SM3 digest, in hex, over the names, lengths and bytes of all tables in order of name."""
    digest = hashlib.new("sm3")
    for name, content in sorted(contents.items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _epoch_days(versions: tuple[Region, ...]) -> tuple[int, int]:
    """Returns the first day of a code and the day after its last, counted from 1970-01-01."""
    ends_on = versions[-1].valid_to
    return epoch_day_of(versions[0].valid_from), epoch_day_of(ends_on or date.max)


def _kin(regions: Mapping[str, tuple[Region, ...]]) -> dict[str, tuple[str, ...]]:
    """Returns the other codes a region had before a split or merger, or has since, of those that have any."""
    found = {
        code: tuple(sorted({other for version in versions for other in (*version.predecessors, *version.successors)} - {code}))
        for code, versions in regions.items()
    }
    return {code: others for code, others in found.items() if others}


def _regional(table: list[tuple[Cells, Policy]]) -> dict[tuple[str, str], tuple[tuple[Policy, ...], ...]]:
    """Groups the rows of regions by parameter and province, and within by the regions they name."""
    versions = versions_by_key(table, lambda row: (row.parameter, row.province, row.regions))
    grouped: dict[tuple[str, str], tuple[tuple[Policy, ...], ...]] = {}
    for (parameter, province, _), rows_of_one in versions.items():
        grouped[parameter, province] = (*grouped.get((parameter, province), ()), rows_of_one)
    return grouped


def _regions(table: list[tuple[Cells, Region]]) -> dict[str, tuple[Region, ...]]:
    """Groups regions by code; refuses a parent or neighbour in time that is unknown, and a parent that did not last."""
    regions = versions_by_key(table, lambda row: row.code)
    for cells, region in table:
        cells.items("predecessors", regions)
        cells.items("successors", regions)
        if region.level == "province" and not region.parent:
            continue
        cells.one_of("parent", regions)
        first, last = _epoch_days((region,))
        parent_first, parent_last = _epoch_days(regions[region.parent])
        if first < parent_first or parent_last < last:
            raise cells.refuse("parent", "NOT_IN_FORCE")
    return regions


def _reasons(table: list[tuple[Cells, Reason]]) -> dict[str, Reason]:
    """Keys reasons by code; refuses a code given twice."""
    reasons: dict[str, Reason] = {}
    for cells, reason in table:
        if reason.code in reasons:
            raise cells.refuse("code", "DUPLICATE")
        reasons[reason.code] = reason
    return reasons


def _agreements(
    table: list[tuple[Cells, Agreement]], scenarios: Iterable[str], regions: Iterable[str], provinces: set[str]
) -> tuple[Agreement, ...]:
    """Resolves scenarios and numbers the versions; refuses codes, regions and provinces that no table knows."""
    resolved = []
    for cells, agreement in table:
        for field in ("issuer_provinces", "serving_provinces"):
            cells.name(field)
            cells.items(field, provinces)
        served = [code for code in regions if code[:2] in agreement.serving_provinces]
        if not all(any(code.startswith(prefix) for code in served) for prefix in agreement.serving_regions):
            raise cells.refuse("serving_regions", "UNKNOWN")
        resolved.append((cells, replace(agreement, scenarios=_scenarios_meant(cells, scenarios))))
    versions = versions_by_key(resolved, lambda row: row.agreement_id)
    return tuple(replace(row, version=n) for rows_of_one in versions.values() for n, row in enumerate(rows_of_one, 1))


def _scenarios_meant(cells: Cells, scenarios: Iterable[str]) -> frozenset[str]:
    """Returns the catalogue codes the cell names, where `CUL.LIB.*` names every code that starts with `CUL.LIB.`."""
    meant: set[str] = set()
    cells.name("scenarios")
    for pattern in cells.items("scenarios"):
        found = [code for code in scenarios if is_named(pattern, code)]
        if not found:
            raise cells.refuse("scenarios", "UNKNOWN")
        meant.update(found)
    return frozenset(meant)
