"""Terminals and locales: each command works in every one of them, and files are UTF-8 in all."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.seeds import one_in

ROOT = Path(__file__).parents[2]
# A locale need not be installed: what matters is the encoding that Python takes from it.
OPENS = re.compile(r"\b(read_text|write_text|open|run|Popen)\b")
ENCODINGS = ("gbk", "gb2312", "ascii", "latin-1")


# Both do it by the same function: an adapter's command shows that it is called there, too.
@pytest.mark.parametrize(
    ("main", "argument", "encoding"),
    [*one_in(4, [("hub.cli", "rules", encoding) for encoding in ENCODINGS]), ("adapters.cli", "--help", "gb2312")],
)
def test_a_command_replaces_what_the_terminal_cannot_show(main: str, argument: str, encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", f"from {main} import main; main()", argument]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-1000:]
    assert done.stdout.decode(encoding)


def calls_without_encoding(file: Path) -> list[str]:
    """Where a file is read or written as text by the encoding of the locale."""
    found, text = [], file.read_text(encoding="utf-8")
    if not OPENS.search(text):
        return []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or {"encoding", "file"} & {keyword.arg for keyword in node.keywords}:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = [argument.value for argument in node.args if isinstance(argument, ast.Constant) and isinstance(argument.value, str)]
        if name in ("read_text", "write_text") and not isinstance(node.func, ast.Attribute):
            # A function of ours by that name.
            continue
        is_text = name in ("read_text", "write_text") or (name == "open" and any(mode in ("r", "w", "a", "x") for mode in modes))
        is_piped = name in ("run", "Popen") and any(keyword.arg == "text" for keyword in node.keywords)
        if is_text or is_piped:
            found.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    return found


def test_every_text_file_and_pipe_names_its_encoding() -> None:
    files = [file for package in ("hub", "adapters") for file in (ROOT / package).rglob("*.py")]
    assert [place for file in files for place in calls_without_encoding(file)] == []
