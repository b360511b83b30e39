"""The folder of open data: made of frozen reports, so that it is the same bytes each time; and a check of one by its own catalogue."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg

from hub.audit.sealed import Sealed, at_size, first_beyond
from hub.domain.errors import HubError, SizeUnknown
from hub.durable import part_of, whole
from hub.meeting import report
from hub.meeting.files import as_csv, as_parquet
from hub.meeting.report import MeetingReport
from hub.open_data.catalogue import DICTIONARY, catalogue
from hub.open_data.published import COLUMNS, Published, published
from hub.tlog import note
from hub.tlog.note import Checkpoint

CATALOGUE, PROVENANCE = "catalog.jsonld", "provenance.csv"
SIGNATURE = f"{CATALOGUE}.p7s"
# Returns a signature of a catalogue; and whether there is one that holds already.
Sign = Callable[[bytes], bytes]
Holds = Callable[[bytes, bytes], bool]
_MOST = 10_000


class FolderForeign(HubError):
    """文件夹里有别的文件：请另选空文件夹 the folder has files that are no open data; give an empty one:"""


class NothingToPublish(HubError):
    """还没有联席会议报告：先执行 `hub meeting report` there is no report for the joint meeting yet; run `hub meeting report` first."""


class CatalogueMalformed(HubError):
    """目录损坏或缺失：请重新制作 the catalogue is damaged or missing; write the folder again:"""


class CatalogueUnsigned(HubError):
    """目录没有签名：请向枢纽取有签名的一份，或用 --unsigned 只核对文件 the catalogue has no signature: get one that has, or check the files alone with --unsigned."""  # noqa: E501 (words in two languages)


class Written(NamedTuple):
    """What was done: the files with whether each was written, and the reports of indicators that are withheld."""

    files: Mapping[str, bool]
    withheld: Sequence[str]


def write(
    connection: psycopg.Connection, folder: Path, licence: str, sign: Sign | None = None, holds: Holds = lambda _, __: False
) -> Written:
    """Writes what is not there as it should be; raises NothingToPublish, FolderForeign, CellUnfit, OSError.

    Two signatures of one catalogue differ, so one that is there and holds stays; without *sign* there is none.

    A checkpoint that was written for a report stays: a later one would say no more.
    """
    reports = list(reversed(report.newest(connection, _MOST)))
    if not reports:
        raise NothingToPublish
    shown, withheld = published(reports)
    checkpoints = {f"checkpoints/{one.code}.txt": _checkpoint(connection, folder, one) for one in reports}
    files = contents(shown, reports, {path: note for path, note in checkpoints.items() if note}, licence)
    _refuse_foreign(folder, files)
    done: dict[str, bool] = {}
    for path, content in files.items():
        target = folder / path
        if done.setdefault(path, not target.is_file() or target.read_bytes() != content):
            with whole(target) as file:
                file.write(content)
    signature = folder / SIGNATURE
    if sign is None:
        signature.unlink(missing_ok=True)
    elif done.setdefault(SIGNATURE, not (signature.is_file() and holds(files[CATALOGUE], signature.read_bytes()))):
        with whole(signature) as file:
            file.write(sign(files[CATALOGUE]))
    return Written(done, [one.report for one in withheld])


def contents(
    shown: Sequence[Published], reports: Sequence[MeetingReport], checkpoints: Mapping[str, bytes], licence: str
) -> dict[str, bytes]:
    """Returns the files of a folder by their paths, the catalogue last: it names the sums of the others."""
    files: dict[str, bytes] = {}
    for indicator in dict.fromkeys(one.indicator for one in shown):
        rows = [row for one in shown if one.indicator == indicator for row in one.rows()]
        files[f"datasets/{indicator.lower()}.csv"] = as_csv(COLUMNS, rows)
        files[f"datasets/{indicator.lower()}.parquet"] = as_parquet(COLUMNS, rows)
    files["definitions.csv"] = as_csv(_DEFINITIONS, sorted({_definition(one) for one in shown}))
    files["dictionary.csv"] = as_csv(("column", "type", "zh", "en"), [(name, *said) for name, said in DICTIONARY.items()])
    files[PROVENANCE] = as_csv(_PROVENANCE, [_provenance(one, checkpoints) for one in reports])
    files |= checkpoints
    return {**files, CATALOGUE: catalogue(shown, files, licence)}


_DEFINITIONS = (
    "indicator", "definition_version", "definition_digest", "name_zh", "name_en", "numerator_zh", "numerator_en", "denominator_zh",
    "denominator_en", "additivity", "counts", "window", "population", "traps_zh", "traps_en",
)  # fmt: skip
_PROVENANCE = ("meeting_report", "period", "as_of", "as_known_position", "content_sha256", "checkpoint")


def _definition(one: Published) -> tuple[str | int, ...]:
    fact = one.fact
    both = (fact[name] for name in ("name", "numerator", "denominator"))
    words = [words[language] if words else "" for words in both for language in ("zh", "en")]
    traps = [" / ".join(trap[language] for trap in fact["traps"]) for language in ("zh", "en")]
    head = (fact["indicator"], fact["definition_version"], fact["definition_digest"])
    return (*head, *words, fact["additivity"], fact["counts"], fact["window"], fact["population"], *traps)


def _provenance(one: MeetingReport, checkpoints: Mapping[str, bytes]) -> tuple[str | int, ...]:
    said, path = one.frozen, f"checkpoints/{one.code}.txt"
    digest = hashlib.sha256(said.content).hexdigest()
    return one.code, said.period, said.as_of, said.as_known_position, digest, path if path in checkpoints else ""


def _checkpoint(connection: psycopg.Connection, folder: Path, one: MeetingReport) -> bytes:
    """Returns the first cosigned head of the log that has all that a report rests on; nothing before there is one."""
    there, position = folder / "checkpoints" / f"{one.code}.txt", one.frozen.as_known_position
    if there.is_file() and _holds(connection, content := there.read_bytes(), position):
        return content
    found: Sealed | None = first_beyond(connection, position)
    return found.note.format() if found is not None else b""


def _holds(connection: psycopg.Connection, content: bytes, position: int) -> bool:
    """Whether a checkpoint has a position, and is the log's; one that the log has no more is taken."""
    try:
        head = Checkpoint.parse(note.parse(content).text)
        return head.size > position and at_size(connection, head.size).head == head
    except (note.NoteRefused, note.CheckpointRefused):
        return False
    except SizeUnknown:
        return True


def _refuse_foreign(folder: Path, files: Mapping[str, bytes]) -> None:
    # What a run that was killed had not finished is written again.
    known = {*files, SIGNATURE, *(part_of(Path(path)).as_posix() for path in (*files, SIGNATURE))}
    for path in _paths(folder):
        if path not in known:
            raise FolderForeign(path)


def _paths(folder: Path) -> Iterator[str]:
    # As they come: a folder with other files may have any number of them.
    for path in folder.rglob("*"):
        # What a link leads to is not gone through, so a link is named itself.
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix()


def check(folder: Path) -> list[str]:
    """Returns the files that are missing or altered by the folder's own catalogue, or not in it; raises CatalogueMalformed."""
    try:
        said = json.loads((folder / CATALOGUE).read_bytes())
        files = [file for dataset in said["dcat:dataset"] for file in dataset["dcat:distribution"]]
        sums = {str(file["@id"]): file["spdx:checksum"]["spdx:checksumValue"] for file in files}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CatalogueMalformed(str(folder)) from None
    wrong = [path for path, digest in sums.items() if not _has(folder, path, digest)]
    return wrong + sorted(path for path in _paths(folder) if path not in sums and path not in (CATALOGUE, SIGNATURE))


def catalogue_with_signature(folder: Path, most: int) -> tuple[bytes, bytes]:
    """Returns the catalogue of a folder and its signature, of no more bytes than *most*; raises CatalogueUnsigned."""
    try:
        with (folder / SIGNATURE).open("rb") as file:
            return (folder / CATALOGUE).read_bytes(), file.read(most)
    except OSError:
        raise CatalogueUnsigned from None


def _has(folder: Path, path: str, digest: str) -> bool:
    try:
        target = (folder / path).resolve()
        is_inside = target.is_relative_to(folder.resolve())
        return is_inside and target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == digest
    except (OSError, ValueError):
        # Such as a name that no file has.
        return False
