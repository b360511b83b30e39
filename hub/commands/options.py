"""Options that many commands have."""

from pathlib import Path
from typing import Annotated

import typer

from hub.domain.errors import HubError

# Who acts, which many commands record.
OPERATOR_OPTION = "--operator"
Json = Annotated[bool, typer.Option("--json", help="最后一行输出 JSON。End with one line of JSON.")]
Force = Annotated[bool, typer.Option("--force", help="覆盖已有的文件。Replace a file that is there.")]


class FileThere(HubError):
    """已有此文件：另取名称，或用 --force 覆盖 the file is there already; give another name, or replace it with --force:"""


def checked_side(side: str) -> str:
    """Returns one of the two provinces; raises BadParameter."""
    if side not in ("", "50", "51"):
        raise typer.BadParameter(f"只有 50 重庆和 51 四川 there are 50, Chongqing, and 51, Sichuan: {side}")
    return side


def refuse_to_replace(out: Path, *, force: bool) -> None:
    """Raises FileThere where a file is there and is not to be replaced."""
    if out.exists() and not force:
        raise FileThere(str(out))
