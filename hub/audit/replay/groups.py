"""Which cards and persons belong together: what an answer about one of them may rest on is in one group, and a group in one lane.

Keys are pseudonyms, and their first bytes are as good as random. Two that begin alike are taken for one: their groups are one group
then, which changes no answer.
"""

from collections.abc import Iterable

PERSON = 1 << 63
Pair = tuple[int, int]


def name_of(key: bytes, *, is_person: bool = False) -> int:
    """Returns the short name of a key; persons come after all cards, so that a group is named after one of its cards if it has any."""
    name = int.from_bytes(key[:8].ljust(8, b"\0"), "big") & (PERSON - 1)
    return name | PERSON if is_person else name


class Groups:
    """Names joined pair by pair; a group is named after its least name."""

    def __init__(self) -> None:
        """Each name is a group of its own."""
        self._above: dict[int, int] = {}

    def join(self, pairs: Iterable[Pair]) -> None:
        """Joins the groups of the names of each pair."""
        above, root = self._above, self.root
        for one, other in pairs:
            low, high = sorted((root(one), root(other)))
            if low != high:
                above[high] = low

    def root(self, name: int) -> int:
        """Returns the name of the group of a name."""
        above = self._above
        found = name
        while (higher := above.get(found)) is not None:
            found = higher
        while (higher := above.get(name)) is not None:
            above[name] = found
            name = higher
        return found

    def moved(self, lanes: int) -> dict[int, int]:
        """Returns the lane of each name that is in another lane than its group."""
        return {name: lane for name in list(self._above) if (lane := self.root(name) % lanes) != name % lanes}
