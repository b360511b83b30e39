"""What a witness does with a checkpoint that comes (C2SP tlog-witness): who signed it, whether the tree only grew, and then it cosigns.

Checking the size and storing the new one are one step under a lock: otherwise a slower request could take a later one back. What it signs
is on disk before it is answered.
"""

import logging
import time
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from hub.domain.errors import HubError
from hub.tlog import add_checkpoint, cosignatures, sign_subtree, tree
from hub.tlog.add_checkpoint import SIZE_TYPE, RequestRefused
from hub.tlog.algorithms import ML_DSA_44
from hub.tlog.cosignatures import SignatureMissing, SignatureWrong, check_note, sign_note
from hub.tlog.note import Checkpoint, CheckpointRefused, Note, NoteRefused
from hub.tlog.policy import LogSignatureMissing, LogUnknown
from hub.tlog.subtrees import check_subtree
from hub.tlog.tree import EMPTY_ROOT, ProofRefused
from hub.witness import evidence
from hub.witness.evidence import Kind
from hub.witness.folder import Folder, High, StateDoubtful, WatchedLog

log = logging.getLogger(__name__)

TEXT = "text/plain; charset=utf-8"
STATUSES: dict[type[HubError], int] = {
    RequestRefused: 400,
    NoteRefused: 400,
    CheckpointRefused: 400,
    LogSignatureMissing: 403,
    SignatureMissing: 403,
    SignatureWrong: 403,
    LogUnknown: 404,
    ProofRefused: 422,
    StateDoubtful: 503,
}


class Answer(NamedTuple):
    """An answer over HTTP."""

    status: int
    body: str
    content_type: str = TEXT


def _answered(answer: Callable[[bytes], Answer], body: bytes) -> Answer:
    try:
        return answer(body)
    except tuple(STATUSES) as refused:
        level = logging.ERROR if isinstance(refused, StateDoubtful) else logging.WARNING
        log.log(level, "witness: refused", extra={"reason": str(refused)})
        return Answer(STATUSES[type(refused)], f"{refused}\n")


class Cosigner:
    """Answers requests of the logs that a folder watches, one at a time."""

    def __init__(self, folder: Folder, now: Callable[[], float] = time.time) -> None:
        """Reads what was cosigned of every log; raises StateDoubtful."""
        self._folder, self._now, self._alone = folder, now, Lock()
        for watched in folder.logs():
            folder.high(watched)

    def add(self, body: bytes) -> Answer:
        """Answers add-checkpoint."""
        return _answered(self._add, body)

    def sign_subtree(self, body: bytes) -> Answer:
        """Answers sign-subtree: signs a part of a tree that a checkpoint with its own cosignature has."""
        return _answered(self._sign_subtree, body)

    def _add(self, body: bytes) -> Answer:
        request = add_checkpoint.parse(body)
        head = Checkpoint.parse(request.note.text)
        watched = self._folder.log(head.origin)
        watched.check_signed(request.note)
        if request.old > head.size:
            raise RequestRefused(f"old is {request.old}, and the checkpoint's size {head.size}.")
        with self._alone:
            return self._cosigned(watched, request, head)

    def _sign_subtree(self, body: bytes) -> Answer:
        request = sign_subtree.parse(body)
        head = Checkpoint.parse(request.note.text)
        self._folder.log(head.origin)
        if request.end > head.size:
            raise RequestRefused(f"the subtree ends at {request.end}, the tree at {head.size}.")
        signed = [key for key in self._folder.keys if request.note.of(key.verifier) and check_note(request.note, key.verifier)]
        if not signed:
            raise SignatureMissing(self._folder.name)
        check_subtree(request.start, request.end, head.size, request.proof, request.root, head.root)
        keys = [key for key in self._folder.keys if key.kind == ML_DSA_44]
        lines = [cosignatures.sign_subtree(key, head.origin, request.start, request.end, request.root) for key in keys]
        return Answer(200, "".join([line.line for line in lines]))

    def _cosigned(self, watched: WatchedLog, request: add_checkpoint.Request, head: Checkpoint) -> Answer:
        high = self._folder.high(watched)
        last = self._folder.latest(watched)
        if last is not None and (kind := evidence.contradiction(watched, last, request.note)):
            self._keep(watched, kind, last, request.note)
        if request.old != high.size:
            return Answer(409, f"{high.size}\n", SIZE_TYPE)
        try:
            tree.check_growth(high.size, head.size, request.proof, high.root if high.size else EMPTY_ROOT, head.root)
        except ProofRefused:
            if last is not None and head.size > high.size:
                self._keep(watched, Kind.UNPROVED, last, request.note)
            raise
        now_s = int(self._now())
        lines = [sign_note(key, request.note.text, now_s) for key in self._folder.keys]
        self._folder.store(watched, watched.signatures(request.note).with_lines(lines))
        log.info("witness: cosigned", extra={"origin": head.origin, "size": head.size, "before": high.size})
        return Answer(200, "".join([line.line for line in lines]))

    def _keep(self, watched: WatchedLog, kind: Kind, first: Note, second: Note) -> None:
        path = evidence.keep(self._folder.evidence, watched, kind, (first, second), int(self._now()))
        log.error("witness: %s", kind.words, extra={"origin": watched.origin, "evidence": str(path)})

    def checkpoint(self, origin_hash: str) -> Answer:
        """Answers for the last checkpoint of a log that was cosigned."""
        for watched in self._folder.logs():
            if watched.directory.name == origin_hash and (last := self._folder.latest(watched)) is not None:
                return Answer(200, last.format().decode())
        return Answer(404, "No checkpoint of such a log was cosigned. 未曾见证该日志。\n")

    def highs(self) -> dict[str, High]:
        """Returns the largest tree that was cosigned of each log, by origin."""
        return {watched.origin: self._folder.high(watched) for watched in self._folder.logs()}
