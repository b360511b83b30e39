"""How far apart two regions are at least: between the edges of circles that hold them."""

import csv
import math
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

_FILE = Path(__file__).parent / "places.csv"
_EARTH_KM = 6_371.0


class Place(NamedTuple):
    """A circle that holds a region; degrees."""

    latitude: float
    longitude: float
    radius_km: float


@cache
def places() -> dict[str, Place]:
    """Returns all places by their codes of six digits, or of four for a prefecture."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {row["code"]: Place(float(row["latitude"]), float(row["longitude"]), float(row["radius_km"])) for row in rows}


def place_of(region: str) -> Place | None:
    """Returns the place of a region, that of its prefecture where it has none of its own."""
    return places().get(region) or places().get(region[:4])


@lru_cache(8_192)
def apart_km(one: str, other: str) -> float | None:
    """Returns how far two regions are apart at least, 0 where they touch; None where one of them is in no known place."""
    if one == other:
        return 0.0
    first, second = place_of(one), place_of(other)
    if first is None or second is None:
        return None
    rise, run = math.radians(second.latitude - first.latitude), math.radians(second.longitude - first.longitude)
    slope = math.cos(math.radians(first.latitude)) * math.cos(math.radians(second.latitude))
    half = math.sin(rise / 2) ** 2 + slope * math.sin(run / 2) ** 2
    return max(0.0, 2 * _EARTH_KM * math.asin(math.sqrt(half)) - first.radius_km - second.radius_km)
