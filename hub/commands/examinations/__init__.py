"""What `hub doctor` examines: one function an examination, registered by its decorator, in a file a subject.

An examination gets the scene and returns what it found, with what to do where it is not well. What it raises is found too: none keeps
another from being made. One more is one more function under `@examination`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Literal, NamedTuple

import psycopg

from hub.config import Config
from hub.monitoring import vitals

Level = Literal["ok", "warning", "fault", "skipped"]
NOT_RUNNING = "内嵌数据库未运行 the embedded database does not run"
SUBJECTS = ("surroundings", "keys", "server", "database", "participants", "journal", "log", "witnesses", "views")


class Examined(NamedTuple):
    """What an examination found, Chinese and English; *advice* says what to do."""

    level: Level
    text: str
    advice: str = ""


class Diagnosis(NamedTuple):
    """What was examined, with the name of its examination."""

    name: str
    title: str
    examined: Examined


@dataclass
class Scene:
    """What examinations look at: the settings, and a database where there is one; *problem* says why there is none.

    *target* is the address of the hub to look at, "" for the one of this data directory.
    """

    config: Config
    dsn: str = ""
    problem: str = ""
    target: str = ""

    @cached_property
    def connection(self) -> psycopg.Connection:
        """A connection that only reads; raises psycopg.OperationalError."""

        return vitals.connect(self.dsn)

    def close(self) -> None:
        """Closes what was opened."""
        if "connection" in self.__dict__:
            self.connection.close()


Examine = Callable[[Scene], Examined]


class _Examination(NamedTuple):
    name: str
    title: str
    needs_database: bool
    examine: Examine


_EXAMINATIONS: list[_Examination] = []


def examination(title: str, *, needs_database: bool = False) -> Callable[[Examine], Examine]:
    """Registers an examination under the name of its function; *title* is Chinese and English."""

    def register(examine: Examine) -> Examine:
        _EXAMINATIONS.append(_Examination(examine.__name__, title, needs_database, examine))
        return examine

    return register


def ok(text: str) -> Examined:
    """It is well."""
    return Examined("ok", text)


def warning(text: str, advice: str) -> Examined:
    """The hub works, but someone should look."""
    return Examined("warning", text, advice)


def fault(text: str, advice: str) -> Examined:
    """The hub does not work, or what must always hold does not."""
    return Examined("fault", text, advice)


def examine_all(scene: Scene) -> list[Diagnosis]:
    """Makes every examination, in the order of the subjects."""
    for subject in SUBJECTS:
        import_module(f"{__name__}.{subject}")
    return [Diagnosis(one.name, one.title, _made(one, scene)) for one in _EXAMINATIONS]


def _made(one: _Examination, scene: Scene) -> Examined:
    if one.needs_database and scene.problem:
        return Examined("skipped", "未查：无数据库 not examined: no database")
    try:
        return one.examine(scene)
    except psycopg.errors.UndefinedTable:
        return fault("数据库结构或视图尚未建立 the schema or the views are not made", "hub migrate")
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        return fault(f"查不下去 cannot be examined: {type(error).__name__}: {said}", "按上述信息处理 act on what it says")
