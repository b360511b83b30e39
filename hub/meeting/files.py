"""The files of a report for the meeting: figures, comparison and definitions as CSV, figures as Parquet, beside the PDF and the page.

All are made of the report's own bytes, so they are the same each time; Parquet is, by one version of its writer.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hub.audit.outcome import Outcome

FIGURES = (
    "period", "as_of", "as_known_position", "report", "indicator", "definition_version", "by", "cell", "numerator", "denominator",
    "is_hidden", "state",
)  # fmt: skip
_COMPARED = ("report", "indicator", "by", "cell", "then_numerator", "then_denominator", "now_numerator", "now_denominator", "is_hidden")
_DEFINITIONS = (
    "indicator", "definition_version", "definition_digest", "name_zh", "name_en", "numerator_zh", "numerator_en", "denominator_zh",
    "denominator_en", "additivity", "counts", "window", "by", "population", "traps_zh", "traps_en",
)  # fmt: skip
_NUMBERS = {"as_known_position", "definition_version", "numerator", "denominator"}
Row = tuple[Any, ...]


def tables(outcome: Outcome) -> dict[str, bytes]:
    """Returns the tables of a report by the names of their files."""
    found = list(figures(outcome))
    return {
        "figures.csv": as_csv(FIGURES, found),
        "figures.parquet": as_parquet(FIGURES, found),
        "compared.csv": as_csv(_COMPARED, _compared(outcome)),
        "definitions.csv": as_csv(_DEFINITIONS, definitions(outcome)),
    }


def figures(outcome: Outcome) -> Iterator[Row]:
    """Yields a row for each figure, the total first; an indicator without figures has one row that says why."""
    said = outcome.facts
    for fact in said["indicators"]:
        head = (said["period"], said["as_of"], said["as_known_position"], fact["report"], fact["indicator"], fact["definition_version"])
        none = {"cell": "", "numerator": None, "denominator": None, "is_hidden": False}
        for one in fact["figures"] or (none,):
            yield (*head, fact["by"], one["cell"], one["numerator"], one["denominator"], one["is_hidden"], fact["state"])


def _compared(outcome: Outcome) -> Iterator[Row]:
    for fact in (one for one in outcome.facts["indicators"] if one["now"] is not None):
        then = {one["cell"]: one for one in fact["then"]["figures"]}
        for one in fact["now"]["figures"]:
            before = then.get(one["cell"], {})
            numbers = (before.get("numerator"), before.get("denominator"), one["numerator"], one["denominator"])
            is_hidden = bool(one["is_hidden"] or before.get("is_hidden"))
            yield (fact["then"]["report"], fact["indicator"], fact["by"], one["cell"], *numbers, is_hidden)


def definitions(outcome: Outcome) -> Iterator[Row]:
    """Yields a row for each indicator: what it counts."""
    for fact in outcome.facts["indicators"]:
        words = [text for name in ("name", "numerator", "denominator") for text in _both(fact[name])]
        traps = (" / ".join(one[language] for one in fact["traps"]) for language in ("zh", "en"))
        plain = (fact["additivity"], fact["counts"], fact["window"], fact["by"], fact["population"])
        yield (fact["indicator"], fact["definition_version"], fact["definition_digest"], *words, *plain, *traps)


def _both(words: Mapping[str, str] | None) -> tuple[str, str]:
    return ("", "") if words is None else (words["zh"], words["en"])


def as_csv(columns: Iterable[str], rows: Iterable[Row]) -> bytes:
    """Returns rows as CSV in UTF-8: nothing for what is not shown, numbers without separators, true and false."""
    out = io.StringIO()
    written = csv.writer(out, lineterminator="\n")
    written.writerow(columns)
    written.writerows([str(cell).lower() if isinstance(cell, bool) else cell for cell in row] for row in rows)
    return out.getvalue().encode()


def as_parquet(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    """Returns rows as Parquet: numbers, true and false, and texts, by the names of the columns."""
    # An edge gives figures as CSV and needs no more.
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = [(name, pa.int64() if name in _NUMBERS else pa.bool_() if name == "is_hidden" else pa.string()) for name in columns]
    schema, out = pa.schema(kinds), io.BytesIO()
    by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    pq.write_table(pa.table([pa.array(column, kind) for column, (_, kind) in zip(by_column, kinds, strict=True)], schema=schema), out)
    return out.getvalue()
