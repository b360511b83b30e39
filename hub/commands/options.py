"""Options that many commands have."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="最后一行输出 JSON。End with one line of JSON.")]
