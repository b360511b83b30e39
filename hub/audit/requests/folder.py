"""The files of an audit, in a folder of its own below the data directory, for its owner alone, until they are old enough to go."""

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.domain.audit_errors import AuditPartMissing
from hub.domain.audit_request import code_of, number_of
from hub.durable import whole

NAMES: dict[protos.AuditPart.ValueType, str] = {
    protos.AUDIT_PART_OUTCOME: "outcome.json",
    protos.AUDIT_PART_REPORT_HTML: "report.html",
    protos.AUDIT_PART_REPORT_PDF: "report.pdf",
    protos.AUDIT_PART_BUNDLE: "bundle.hubaudit",
}
_PROGRESS = "progress.json"
_DAY_S = 86_400


class Done(NamedTuple):
    """How much of a run is done, in whatever it counts; *of* is 0 while nobody knows."""

    done: int = 0
    of: int = 0


class Folder:
    """The folder of one audit."""

    def __init__(self, data_dir: Path, code: str) -> None:
        """*code* is one that a request has; raises AuditUnknown for what is none."""
        self.path = _all_of(data_dir) / code_of(number_of(code))

    def make(self) -> None:
        """Makes it, empty; raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.clear()
        self.path.mkdir(mode=0o700)

    def clear(self) -> None:
        """Takes it away."""
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, part: protos.AuditPart.ValueType, data: bytes) -> None:
        """Writes a file of it, whole or not at all; raises OSError."""
        with whole(self.path / NAMES[part]) as file:
            file.write(data)

    def file(self, part: protos.AuditPart.ValueType) -> Path:
        """Returns where a file of it is; raises AuditPartMissing."""
        if part not in NAMES or not (path := self.path / NAMES[part]).is_file():
            raise AuditPartMissing
        return path

    def parts(self) -> list[protos.AuditPart.ValueType]:
        """Returns which files it has."""
        return [part for part, name in NAMES.items() if (self.path / name).is_file()]

    def note(self, done: int, of: int) -> None:
        """Says how far the run is; this is no record, so it need not reach the disk."""
        fresh = self.path / f".{_PROGRESS}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump([done, of], file)
        fresh.replace(self.path / _PROGRESS)

    def progress(self) -> Done:
        """Returns how far the run is, as far as it can be seen here."""
        try:
            done, of = json.loads((self.path / _PROGRESS).read_bytes())
        except (OSError, ValueError, TypeError):
            return Done()
        return Done(int(done), int(of))


def drop_old(data_dir: Path, days: int) -> None:
    """Takes away the folders that nothing was written to for some days; what was delivered is in the journal by its digest."""
    with suppress(OSError):
        for folder in _all_of(data_dir).iterdir():
            if folder.stat().st_mtime < time.time() - days * _DAY_S:
                shutil.rmtree(folder, ignore_errors=True)


def _all_of(data_dir: Path) -> Path:
    return data_dir / "audits"
