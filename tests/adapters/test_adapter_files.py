"""What a province sent lies in files for the adapter's own user alone, and only as long as it is needed."""

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.chongqing.command import load_secret
from adapters.chongqing.ledger import Ledger
from adapters.chongqing.usage_intake import UsageIntake
from adapters.kit import AdapterError, Outbox, alone_in, data_home
from adapters.kit.inbox import Inbox
from adapters.sichuan.nonce_window import NonceWindow
from adapters.simulator.chongqing_traffic import file_bytes
from adapters.simulator.messages import ChongqingFile
from adapters.simulator.traffic import Traffic

FEED, DAY_S = "cq.usage", 86_400
START = datetime(2026, 3, 2, 21, 30)


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever the umask is."""
    former = os.umask(request.param)
    yield
    os.umask(former)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    home = tmp_path / "home" / "chongqing"
    outbox = Outbox(home / "outbox.sqlite")
    ledger = Ledger(home / "outbox.sqlite")
    yield Inbox(home / "inbox", UsageIntake(outbox, ledger, home / "ack"), keep_days=30)
    ledger.close()
    outbox.close()


def usage_file() -> ChongqingFile:
    traffic = Traffic(1, START, 2_000)
    list(traffic.registrations())
    return next(message for portion in traffic.portions() for message in portion if isinstance(message, ChongqingFile))


def drop(directory: Path, name: str, content: bytes) -> None:
    """Drops a file as the transit centre does, readable for all."""
    (directory / name).write_bytes(content)
    (directory / name).chmod(0o644)


def modes(directory: Path) -> dict[str, int]:
    """The mode of everything below a directory, and of itself."""
    found = {".": stat.S_IMODE(directory.stat().st_mode)}
    return found | {str(path.relative_to(directory)): stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*")}


def test_files_and_directories_with_native_data_are_the_owners_alone(umask: None, inbox: Inbox, tmp_path: Path) -> None:
    home = tmp_path / "home"
    file = usage_file()
    drop(home / "chongqing/inbox", file.header.file_name, file_bytes(file))
    drop(home / "chongqing/inbox", "CQTK_USE_20250901_0999.dat", b"no usage file\r\n")
    inbox.take_all()
    NonceWindow(home / "sichuan.sqlite").remember("app", "m1", datetime.now(UTC))
    load_secret(home / "chongqing/keys/card-service.secret")
    found = {path: mode for path, mode in modes(home).items() if "/ack" not in path}
    assert {"chongqing/inbox/rejected/CQTK_USE_20250901_0999.dat", "chongqing/outbox.sqlite-wal", "sichuan.sqlite-wal"} <= set(found)
    assert len([path for path in found if path.startswith("chongqing/inbox/done/")]) == 1
    assert set(found.values()) <= {0o600, 0o700}
    assert {mode for path, mode in found.items() if path.endswith((".dat", ".sqlite", "-wal", "-shm", ".secret"))} == {0o600}


def test_a_file_claimed_is_the_owners_alone_before_it_is_read(inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processing = tmp_path / "home/chongqing/inbox/processing"
    file, seen = usage_file(), []
    monkeypatch.setattr(UsageIntake, "take", lambda _self, path, _now: seen.append(stat.S_IMODE(path.stat().st_mode)) or 1 / 0)
    drop(processing.parent, file.header.file_name, file_bytes(file))
    inbox.take_all()
    assert seen == [0o600]


def test_an_outbox_of_an_older_adapter_is_taken_from_others(tmp_path: Path) -> None:
    Outbox(tmp_path / "outbox.sqlite").close()
    (tmp_path / "outbox.sqlite").chmod(0o644)
    Outbox(tmp_path / "outbox.sqlite").close()
    assert stat.S_IMODE((tmp_path / "outbox.sqlite").stat().st_mode) == 0o600


@pytest.mark.parametrize("folder", ["done", "rejected", "failed"])
def test_files_are_deleted_when_they_were_kept_long_enough_and_not_before(inbox: Inbox, tmp_path: Path, folder: str) -> None:
    directory = tmp_path / "home/chongqing/inbox" / folder
    for name, days in (("old.dat", 30.1), ("young.dat", 29.9)):
        (directory / name).write_text("")
        os.utime(directory / name, (time.time() - days * DAY_S,) * 2)
    inbox.clear_old()
    assert [path.name for path in directory.iterdir()] == ["young.dat"]


def test_a_file_is_kept_from_when_it_was_taken_however_old_it_was(inbox: Inbox, tmp_path: Path) -> None:
    directory = tmp_path / "home/chongqing/inbox"
    drop(directory, "CQTK_USE_20250901_0999.dat", b"no usage file\r\n")
    os.utime(directory / "CQTK_USE_20250901_0999.dat", (time.time() - 90 * DAY_S,) * 2)
    inbox.take_all()
    inbox.clear_old()
    assert [path.name for path in (directory / "rejected").iterdir()] == ["CQTK_USE_20250901_0999.dat"]


def test_what_waits_is_never_deleted(inbox: Inbox, tmp_path: Path) -> None:
    directory = tmp_path / "home/chongqing/inbox"
    for path in (directory / "a.tmp", directory / "processing" / "b.dat"):
        path.write_text("")
        os.utime(path, (time.time() - 90 * DAY_S,) * 2)
    inbox.clear_old()
    assert (directory / "a.tmp").exists() and (directory / "processing" / "b.dat").exists()


def needle(number: int) -> str:
    return f"5001991985{number:08d}"


def all_bytes(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())


def test_no_identifier_is_left_in_any_file_of_the_outbox_once_it_is_acknowledged(tmp_path: Path) -> None:
    """Events small and larger than a page, acknowledged in parts, while the outbox and the ledger beside it are open."""
    outbox, ledger = Outbox(tmp_path / "outbox.sqlite"), Ledger(tmp_path / "outbox.sqlite")
    for first in range(1, 1_201, 100):
        events = [Event(venue_code=needle(number) * (500 if number % 7 == 0 else 1)) for number in range(first, first + 100)]
        outbox.put(FEED, [(f"m{first + at}", event.SerializeToString()) for at, event in enumerate(events)])
        outbox.acknowledge(FEED, first + 20)
        ledger.admit_call(f"serial {first}", b"fingerprint", int(time.time()))
    outbox.acknowledge(FEED, 1_150)
    outbox.clean()
    left = all_bytes(tmp_path)
    assert [number for number in range(1, 1_151) if needle(number).encode() in left] == []
    assert all(needle(number).encode() in left for number in range(1_151, 1_201)), "what waits is still there"
    outbox.acknowledge(FEED, 1_200)
    outbox.clean()
    assert b"5001991985" not in all_bytes(tmp_path)
    ledger.close()
    outbox.close()


def test_a_running_adapter_cleans_its_outbox_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kit.outbox.CLEAN_EVERY_S", 0.02)

    async def run() -> None:
        outbox = Outbox(tmp_path / "outbox.sqlite")
        cleaning = asyncio.create_task(outbox.keep_clean())
        outbox.put(FEED, [("m1", Event(venue_code=needle(1)).SerializeToString())])
        assert needle(1).encode() in all_bytes(tmp_path)
        outbox.acknowledge(FEED, 1)
        async with asyncio.timeout(10):
            while needle(1).encode() in all_bytes(tmp_path):
                await asyncio.sleep(0.02)
        cleaning.cancel()
        outbox.close()

    asyncio.run(run())


def test_an_outbox_of_an_older_adapter_loses_what_it_had_kept(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    # As an older adapter: deleted bytes stay in free pages.
    outbox._db.executescript("PRAGMA secure_delete = OFF; PRAGMA user_version = 0")
    outbox.put(FEED, [(f"m{number}", Event(venue_code=needle(number)).SerializeToString()) for number in range(1, 500)])
    outbox.acknowledge(FEED, 499)
    outbox.close()
    assert b"5001991985" in all_bytes(tmp_path)
    opened = Outbox(tmp_path / "outbox.sqlite")
    opened.clean()
    assert b"5001991985" not in all_bytes(tmp_path)
    opened.close()


def test_two_adapters_do_not_share_a_data_directory(tmp_path: Path) -> None:
    with alone_in(tmp_path), pytest.raises(AdapterError, match="Another adapter runs on this data directory"), alone_in(tmp_path):
        raise AssertionError("both were let in")
    with alone_in(tmp_path):
        pass


def test_the_data_directory_follows_that_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DATA_DIR", "/srv/hub")
    assert data_home("sichuan") == Path("/srv/hub/sichuan")
    monkeypatch.delenv("HUB_DATA_DIR")
    assert data_home("sichuan") == Path("data/sichuan")
