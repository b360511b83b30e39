"""Finds items by what people type: a name or part of it, another word for it, pinyin or its initials, a code.

Full and half width, capitals, spaces and punctuation make no difference. The best matches come first: a code, the name itself, its
beginning, a part of it, all words somewhere; only where nothing of that is found, names that share most of their pairs of characters.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from chuanyu.exchange.v1 import service_items_pb2 as protos

_NO_WORD = re.compile(r"[\W_]+")
_LATIN = re.compile(r"[a-z]+")
_BREAK = "|"
# The share of its pairs of characters that a name must have in common with the words, where nothing else is found.
LEAST_SHARE = 0.6
CODE, EQUAL, BEGINS, PART, ALL_WORDS, ALIKE = range(6)


class Searched(Protocol):
    """What the index needs of an item."""

    @property
    def item_id(self) -> str:
        """Its id."""

    @property
    def definition(self) -> protos.ServiceItemDefinition:
        """Its names, department and base code."""

    @property
    def implementing_codes(self) -> tuple[str, ...]:
        """The codes of both sides."""


class _Keys(NamedTuple):
    item_id: str
    codes: frozenset[str]
    name: str
    whole: str
    initials: str
    pinyin: str
    pairs: frozenset[str]


class Index:
    """The items of one day, ready to be searched."""

    def __init__(self, items: Iterable[Searched], words: Mapping[str, str], initials: Mapping[str, str]) -> None:
        """*words* has the word that names say for each synonym, *initials* the same for the initials of synonyms."""
        self._words = {normalised(synonym): normalised(word) for synonym, word in words.items()}
        # The longest fits first: 电子社保卡 is not 电子 and 社保卡.
        self._pattern = re.compile("|".join(map(re.escape, sorted(self._words, key=len, reverse=True))) or "(?!)")
        self._initials = initials
        self._items = [self._keys(item) for item in items]

    def find(self, text: str) -> list[str]:
        """Returns the ids of the items that match, the best first."""
        asked, words = normalised(text), [word for part in text.split() if (word := self._said(part))]
        if not words:
            return []
        wanted = self._said(text)
        also = self._said(self._initials.get(asked, ""))
        is_latin = _LATIN.fullmatch(asked) is not None
        ranked = []
        for item in self._items:
            rank = _rank(item, wanted, words, asked)
            if is_latin:
                rank = min(rank, _rank_by_pinyin(item, asked), _rank(item, also, [also], also) if also else ALIKE)
            if rank < ALIKE:
                ranked.append((rank, len(item.name), item.item_id))
        return [item_id for _, _, item_id in sorted(ranked)] or self._alike(wanted)

    def _alike(self, wanted: str) -> list[str]:
        pairs = _pairs(wanted)
        shares = [(-len(pairs & item.pairs) / len(pairs), item.item_id) for item in self._items] if pairs else []
        return [item_id for share, item_id in sorted(shares) if -share >= LEAST_SHARE]

    def _said(self, text: str) -> str:
        """Returns a text with the words that names say."""
        return self._pattern.sub(lambda found: self._words[found.group()], normalised(text))

    def _keys(self, item: Searched) -> _Keys:
        definition, name = item.definition, self._said(item.definition.name_zh)
        syllables = definition.pinyin.split()
        return _Keys(
            item_id=item.item_id,
            codes=frozenset(normalised(code) for code in (item.item_id, definition.base_code, *item.implementing_codes) if code),
            name=name,
            whole=name + normalised(definition.department) + normalised(definition.name_en),
            initials="".join(syllable[0] for syllable in syllables),
            # From each syllable to the end, so that one search finds what begins with a syllable: it is four times as fast as many.
            pinyin=_BREAK + _BREAK.join("".join(syllables[at:]) for at in range(len(syllables))) + _BREAK,
            pairs=_pairs(name),
        )


def normalised(text: str) -> str:
    """Returns a text in half width and small letters, without spaces and punctuation."""
    return _NO_WORD.sub("", unicodedata.normalize("NFKC", text).casefold())


def _rank(item: _Keys, wanted: str, words: list[str], asked: str) -> int:
    if asked in item.codes:
        return CODE
    if wanted in item.name:
        if not item.name.startswith(wanted):
            return PART
        return EQUAL if item.name == wanted else BEGINS
    return ALL_WORDS if all(word in item.whole for word in words) else ALIKE


def _rank_by_pinyin(item: _Keys, asked: str) -> int:
    """Ranks by initials or whole syllables; a part begins where a syllable does."""
    if asked == item.initials or item.pinyin.startswith(f"{_BREAK}{asked}{_BREAK}"):
        return EQUAL
    if item.initials.startswith(asked) or item.pinyin.startswith(_BREAK + asked):
        return BEGINS
    return PART if asked in item.initials or _BREAK + asked in item.pinyin else ALIKE


def _pairs(text: str) -> frozenset[str]:
    return frozenset(text[at : at + 2] for at in range(len(text) - 1))
