"""The house stays tidy: sizes, words, documentation and layers."""

import ast
import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_LINES_OF_THE_SPINE = 300, 50, 1_700
# What a stranger reads and runs by itself is one file, and long.
ALONE = {"hub/audit/verify.py": 1_400}
# Made of titles, reasons and rules: what a reason says to a card holder is not the project's own prose.
GENERATED = {"docs/acceptance.md", "docs/roles.md", "docs/scenarios.md"}

# Has parts of that kind.
IN_PARTS = {"docs/cards.md"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tracked(*patterns: str) -> list[str]:
    return subprocess.check_output(["git", "ls-files", *patterns], cwd=ROOT, text=True).split()


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def nodes(name: str) -> list[ast.AST]:
    """Returns what a program is made of; each is taken apart once for all tests."""
    return list(ast.walk(ast.parse(text(name))))


PRODUCT = tracked("hub/*.py", "adapters/*.py")


def functions() -> Iterator[tuple[str, Function]]:
    return ((name, node) for name in PRODUCT for node in nodes(name) if isinstance(node, Function))


def rows_of(heading: str) -> list[list[str]]:
    """Returns the rows of a table of the glossary."""
    part = text("docs/glossary.md").split(f"## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| ")][1:]


@cache
def defined(name: str) -> set[str]:
    """Returns the names that a program gives: to classes, functions, parameters and variables."""
    naming = [node for node in nodes(name) if isinstance(node, ast.ClassDef | Function | ast.arg | ast.Name)]
    naming = [node for node in naming if not isinstance(getattr(node, "ctx", None), ast.Load | ast.Del)]
    return {str(getattr(node, "name", "") or getattr(node, "arg", "") or getattr(node, "id", "")) for node in naming}


def prose(name: str, banned: str) -> str:
    """Returns a page, the title of a scenario, or the docstrings and those comments of a program that may have a banned word."""
    source = text(name)
    if name.endswith(".md"):
        return re.sub(r"<!-- generated.*?<!-- end -->", "", source, flags=re.DOTALL) if name in IN_PARTS else source
    if name.endswith(".toml"):
        return str(tomllib.loads(source).get("title", {}).get("en", ""))
    documented = [node for node in nodes(name) if isinstance(node, ast.Module | ast.ClassDef | Function)]
    # Most programs have it in a name alone, and to take one apart for its comments takes longer than to look at it.
    may_be = re.search(rf"#.*\b({banned})\b", source, re.IGNORECASE)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline) if may_be else ()
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join([ast.get_docstring(node) or "" for node in documented] + comments)


def test_no_file_and_no_function_is_long() -> None:
    files = {name: len(text(name).splitlines()) for name in PRODUCT}
    assert {name: size for name, size in files.items() if size > ALONE.get(name, MOST_LINES)} == {}
    sizes = {f"{name} {node.name}": (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: size for name, size in sizes.items() if size > MOST_LINES_OF_A_FUNCTION} == {}


def test_every_public_name_is_documented() -> None:
    bare = set()
    for name in PRODUCT:
        scopes = [node for node in nodes(name) if isinstance(node, ast.Module | ast.ClassDef)]
        for scope in scopes:
            public = [node for node in scope.body if isinstance(node, Function | ast.ClassDef) and node.name[0] != "_"]
            bare |= {f"{name} {node.name}" for node in public if not ast.get_docstring(node) and getattr(scope, "name", "")[:1] != "_"}
    assert bare == set()


def test_docstrings_say_what_a_function_does_and_give_no_orders() -> None:
    found = [(name, docstring.split()[0]) for name, node in functions() if (docstring := ast.get_docstring(node))]
    verbs = {word for _, word in found}
    assert {(name, word) for name, word in found if f"{word}s" in verbs and word != "It"} == set()


def test_prose_is_plain_english() -> None:
    words = "|".join(word for row in rows_of("Plain English") for word in row[1].split(", "))
    banned = re.compile(rf"\b({words})\b", re.IGNORECASE)
    names = [name for name in tracked("*.py", "*.md", "tests/*.toml") if name not in GENERATED | {"docs/glossary.md"}]
    # A word that is nowhere in a program is not in its prose either.
    named = [name for name in names if banned.search(text(name))]
    found = {name: set(banned.findall(prose(name, words).replace("held back", ""))) for name in named}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize(("word", "places"), [(row[0], row[3].replace("`", "").split(", ")) for row in rows_of("Reserved words")])
def test_a_reserved_word_names_one_thing(word: str, places: list[str]) -> None:
    named = re.compile(rf"(?:^|_){word}s?(?:_|$)|(?:^|[a-z_]){word.title()}s?(?:[A-Z]|$)")
    found = {name for name in PRODUCT for one in defined(name) if named.search(one) and not name.startswith(("hub/domain", *places))}
    assert found == set()


def test_readme_names_files_that_exist_and_a_spine_that_can_be_read_in_an_hour() -> None:
    for page in ("README.md", "README.zh-CN.md", "docs/glossary.md"):
        named = set(re.findall(r"`((?:hub|adapters|protos|docs|docker|tests)/[\w./-]*)`|\]\(([\w./-]+)\)", text(page)))
        assert {name for pair in named for name in pair if name and not (ROOT / name).exists()} == set()
        spine = re.findall(r"^\d\. `([\w./]+)`", text(page), re.MULTILINE)
        assert len(spine) <= 9 and sum(len(text(name).splitlines()) for name in spine) <= MOST_LINES_OF_THE_SPINE


def test_every_room_has_its_place_in_the_layers() -> None:
    layers, _, leaves, _ = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    assert layers["exhaustive"]
    assert {f"hub.{name}" for name in layers["exhaustive_ignores"]} == set(leaves["source_modules"])
    rooms = {f"hub.{name}" for layer in layers["layers"] for name in layer.split(" | ")}
    assert rooms == set(leaves["forbidden_modules"])
