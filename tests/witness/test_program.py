"""`hub witness` as its operator runs it: a real process, real HTTP, no database and no settings of the hub."""

import functools
import http.server
import json
import os
import select
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.child import Child, python
from hub.commands.witness import app
from hub.tlog import note, web
from hub.tlog.algorithms import ED25519_COSIGNATURE
from hub.tlog.cosignatures import check_note
from hub.tlog.note import Checkpoint, VerifierKey
from hub.tlog.policy import parse
from hub.witness.folder import origin_hash
from tests.witness.signed_log import ORIGIN, SignedLog

LOG = SignedLog().grow(600)


class Program:
    """One `hub witness serve`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self._options = folder, options
        # Of the hub's settings it has none: not even one that is wrong disturbs it.
        self._environment = {**{name: text for name, text in os.environ.items() if not name.startswith("HUB_")}, "HUB_LISTEN": "nowhere"}
        self.url = ""
        self.process: Child | None = None

    def start(self) -> "Program":
        command = python("hub.cli", "witness", "serve", str(self.folder), "--listen", "127.0.0.1:0", *self._options)
        with (self.folder / "program.log").open("ab") as log:
            self.process = Child(command, self._environment, stderr=log)
        line = self.process.first_line(60)
        assert "listening on http://127.0.0.1:" in line, (self.folder / "program.log").read_text()
        self.url = line.split()[-1]
        return self

    def add(self, body: bytes) -> web.Answer:
        return web.call(f"{self.url}/add-checkpoint", body)

    def stop(self) -> int:
        assert self.process is not None
        return self.process.stop()

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A log's site: files over HTTP."""
    directory = LOG.publish(tmp_path_factory.mktemp("site"), 300)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield directory, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, site: tuple[Path, str]) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("made") / "witness"
    code, lines = run("init", str(folder), "--name", "witness.sc.example", *LOG_OPTIONS, "--url", site[1])
    assert code == 0
    assert len(parse(f"{lines}quorum none\n".encode()).witnesses) == 4
    started = Program(folder, "--mirror").start()
    assert started.process is not None and started.process.stdout is not None
    assert f"{started.url}/mirror/{origin_hash(ORIGIN)}" in started.process.stdout.readline()
    yield started
    assert started.stop() == 0


LOG_OPTIONS = [part for line in LOG.key_lines for part in ("--log", line)]


def test_a_key_that_was_copied_wrong_leaves_no_folder_behind(tmp_path: Path) -> None:
    folder, log = tmp_path / "witness", SignedLog()
    refused = CliRunner().invoke(app, ["init", str(folder), "--name", "witness.example", "--log", "LINE"])
    assert (refused.exit_code, folder.exists()) == (1, False)
    # As `hub seal --status` and a policy have the line, so it may be pasted.
    code, _ = run("init", str(folder), "--name", "witness.example", "--log", f"log {log.key_lines[0]} https://log.example/")
    assert code == 0
    assert run("init", str(tmp_path / "bare"), "--name", "witness-2.example", "--log", log.key_lines[0])[0] == 0


def test_it_cosigns_over_http_with_the_keys_that_it_printed(program: Program) -> None:
    answer = program.add(LOG.request(0, 100))
    assert (answer.status, answer.body.count(b"\n")) == (200, 2)
    cosigned = LOG.note(100).with_lines(note.parse_signatures(answer.body.decode()))
    _, lines = run("keys", str(program.folder))
    keys = [VerifierKey.parse(line.split()[2]) for line in lines.splitlines()]
    assert [check_note(cosigned, key).signed_s > 0 for key in keys[:2]] == [True, True]
    served = note.parse(web.call(f"{program.url}/{origin_hash(ORIGIN)}/checkpoint").body)
    assert (served.text, served.signatures[3:]) == (cosigned.text, cosigned.signatures[3:])
    assert web.call(f"{program.url}/{'0' * 64}/checkpoint").status == 404


def test_statuses_and_content_types_are_the_specification_s(program: Program) -> None:
    assert program.add(LOG.request(0, 300))[:2] == (409, "text/x.tlog.size")
    assert program.add(b"old 0\n").status == 400
    assert program.add(SignedLog(ORIGIN).grow(5).request(0)).status == 403
    assert program.add(SignedLog("other.example/1").grow(5).request(0)).status == 404
    assert program.add(LOG.forked(50).grow(120, b"cq.usage").request(100, 120)).status == 422
    assert program.add(bytes(1 << 20)).status == 413
    assert web.call(f"{program.url}/add-checkpoint").status == 405


def test_after_a_kill_it_knows_what_it_cosigned(program: Program) -> None:
    size = int(program.add(LOG.request(0, 600)).body)
    assert program.add(LOG.request(size, 200)).status == 200
    program.kill()
    program.start()
    assert program.add(LOG.request(size, 300))[::2] == (409, b"200\n")
    assert program.add(LOG.request(200, 300)).status == 200


def test_two_processes_do_not_work_in_one_folder(program: Program) -> None:
    command = python("hub.cli", "witness", "serve", str(program.folder), "--listen", "127.0.0.1:0")
    second = Child(command, dict(os.environ), stderr=-1)
    _, said = second.communicate(timeout=60)
    assert (second.returncode, "另有进程" in said) == (1, True), said


def test_it_mirrors_over_http_and_serves_what_it_mirrored(program: Program, site: tuple[Path, str]) -> None:
    code, said = run("mirror", str(program.folder))
    assert (code, "0 → 300" in said) == (0, True)
    LOG.publish(site[0], 600)
    assert run("mirror", str(program.folder))[0] == 0
    mirror = f"{program.url}/mirror/{origin_hash(ORIGIN)}"
    served = note.parse(web.call(f"{mirror}/checkpoint").body)
    assert Checkpoint.parse(served.text).size == 600
    assert ED25519_COSIGNATURE in {key.kind for key in _mirror_keys(program) if served.of(key)}
    for path in ("tile/0/000", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/88"):
        assert web.call(f"{mirror}/{path}").body == (site[0] / path).read_bytes()
    for path in ("tile/0/002.p/89", "order.json", "../high", "%2e%2e/high", "tile/../../high"):
        assert web.call(f"{mirror}/{path}").status == 404


def _mirror_keys(program: Program) -> list[VerifierKey]:
    return [VerifierKey.parse(line.split()[2]) for line in run("keys", str(program.folder))[1].splitlines()[2:]]


def test_a_split_view_is_evidence_that_the_commands_show(program: Program, tmp_path: Path) -> None:
    size = int(web.call(f"{program.url}/add-checkpoint", LOG.request(0, 600)).body)
    other = LOG.forked(50).grow(size, b"cq.usage")
    assert program.add(other.request(size, size)).status == 422
    code, said = run("status", str(program.folder), "--json")
    found = json.loads(said)
    [kept] = [name for name in found["evidence"] if name.startswith("split-view")]
    assert (code, found["logs"][0]["cosigned"]) == (1, size)
    code, said = run("compare", str(program.folder), str(program.folder / "evidence" / kept))
    assert (code, "分裂视图" in said) == (1, True)
    for name, content in (("ours", LOG.note(size)), ("theirs", other.note(size)), ("later", LOG.note(600))):
        (tmp_path / name).write_bytes(content.format())
    assert run("compare", str(program.folder), str(tmp_path / "ours"), str(tmp_path / "theirs"))[0] == 1
    assert run("compare", str(program.folder), str(tmp_path / "ours"), str(tmp_path / "later"))[0] == 3
    tiles = ["--tiles", str(program.folder / "logs" / origin_hash(ORIGIN) / "mirror")]
    assert run("compare", str(program.folder), str(tmp_path / "ours"), str(tmp_path / "later"), *tiles)[0] == 0
    assert run("compare", str(program.folder), str(tmp_path / "theirs"), str(tmp_path / "later"), *tiles)[0] == 1


def test_a_body_that_comes_slowly_disturbs_nobody(program: Program) -> None:
    address = program.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as slow:
        slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 100\r\n\r\nold")
        assert program.add(b"").status == 400
        assert select.select([slow], [], [], 0)[0] == []
