"""The tables in docs/tampering.md: the kinds of tampering that the campaign does, and every code of `hub fsck` with its words."""

from collections.abc import Iterator
from pathlib import Path

from hub.audit.fsck import WORDS
from hub.bench.tampering.campaign import ALL, ALL_BUNDLES
from hub.bench.tampering.receipt_kinds import RECEIPTS
from hub.commands.pages.blocks import renewed, table

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "tampering.md"


def page(text: str) -> str:
    """Returns the page with its tables as the code has them now."""
    kinds = table(("", "what is done", "found by", "code"), _kinds())
    codes = table(
        ("code", "中文", "English"), ((f"`{code}`", _plain(chinese), _plain(english)) for code, (chinese, english) in WORDS.items())
    )
    return renewed(text, {"kinds": kinds, "codes": codes})


def _kinds() -> Iterator[tuple[str, ...]]:
    for kind in ALL:
        done = " ".join((kind.attack.__doc__ or "").split()).rstrip(".")
        command = kind.options if kind in RECEIPTS else f"hub fsck {kind.options}".rstrip()
        yield f"{kind.number}", done, f"`{command}`", f"`{kind.code}`"
    for bundle in ALL_BUNDLES:
        done = " ".join((bundle.attack.__doc__ or "").split()).rstrip(".")
        yield f"{bundle.number}", done, "`verify.py` and `hub verify`", f"`{bundle.code}`"


def _plain(words: str) -> str:
    return words.replace("\n", " ")
