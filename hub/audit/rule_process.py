"""A version of the rules in a process of its own, which answers question after question: one process a version, not one an answer.

It has nothing of this process but what an interpreter needs, and it is ended when it takes too long or too much memory: what it runs may be
a rule that somebody only thought of.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hub.domain.errors import HubError

START_S, ANSWER_S = 30.0, 0.05
MOST_MEMORY = 2 << 30
# A version from before it could answer line by line is asked one question a line, agreements and all.
_PROGRAM = """
import sys
from hub.domain import replaying
answering = getattr(replaying, "Answering", None)
ask = answering().line if answering else replaying.answer
print("lines" if answering else "texts", flush=True)
for line in sys.stdin:
    if line == ".\\n":
        sys.stdout.flush()
    elif said := ask(line):
        sys.stdout.write(said + "\\n")
"""


class RulesEnded(HubError):
    """规则未能作答：无法载入、超时或占用内存过多 the rules did not answer: they cannot be loaded, or took too long or too much memory."""


class RuleProcess:
    """Answers by the rules that are unpacked in a directory; used from one thread."""

    def __init__(self, directory: Path) -> None:
        """Starts it; raises RulesEnded where the rules cannot be loaded."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], env=bare_environment(directory), cwd=directory, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(self._process.pid, resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        self._sent = ""
        with self._within(START_S):
            # Whether agreements are sent once for all questions that rest on them.
            self.takes_lines = self._read() == "lines"

    def answers(self, asked: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """Answers questions, each as (agreements, the rest), as `hub.domain.replaying.pack_parts` writes them; raises RulesEnded."""
        lines = list(self._lines(asked))
        writing = threading.Thread(target=self._write, args=(lines,))
        with self._within(START_S + ANSWER_S * len(asked)):
            writing.start()
            try:
                return [json.loads(self._read()) for _ in asked]
            finally:
                writing.join()

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()

    def _lines(self, asked: Sequence[tuple[str, str]]) -> Iterator[str]:
        for agreements, rest in asked:
            if not self.takes_lines:
                yield f'{{"agreements": {agreements}, {rest[1:]}\n'
                continue
            if agreements is not self._sent and agreements != self._sent:
                yield f"{agreements}\n"
            self._sent = agreements
            yield f"{rest}\n"
        yield ".\n"

    def _write(self, lines: Sequence[str]) -> None:
        assert self._process.stdin is not None
        # It may have ended, which the reader finds.
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.writelines(lines)
            self._process.stdin.flush()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            raise RulesEnded
        return line[:-1]

    @contextlib.contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Ends the process where it takes longer; what waits for it then finds that it ended."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()


def bare_environment(directory: Path) -> dict[str, str]:
    """Returns what an interpreter needs to run the modules of a directory: such code has no business with settings and secrets."""
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": str(directory), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
