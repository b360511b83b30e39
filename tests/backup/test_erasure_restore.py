"""An erasure between a backup and its restore, with the commands that operators type: what was erased is erased again, or can be."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner, Result

from hub.cli import app
from hub.domain.erasure import IdentifierErasedAlready
from hub.journal.vault import open_identifiers
from hub.trust.keyring import open_keyring
from tests.admin.test_erasure import LONG_AGO_S, key_of, old_card
from tests.clients import Province
from tests.databases import fresh_database
from tests.hub_process import CHONGQING, RunningHub, running_hub
from tests.messages import registered

pytestmark = pytest.mark.usefixtures("few_views")

FORGOTTEN, KEPT = "E00000101", "E00000102"
_numbers = itertools.count(1)


@dataclass
class Machine:
    """A database with the keys of the hub, and the commands on it."""

    dsn: str
    data_dir: Path

    def run(self, *arguments: str, stdin: str = "") -> Result:
        """Runs a command."""
        return CliRunner().invoke(app, arguments, input=stdin, env={"HUB_DSN": self.dsn, "HUB_DATA_DIR": str(self.data_dir)})

    def done(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        """Runs a command that succeeds, and returns what it says last."""
        result = self.run(*arguments, "--json", stdin=stdin)
        assert result.exit_code == 0, (result.output, result.exception)
        return dict(json.loads(result.stdout.splitlines()[-1]))

    def knows(self, card_no: str) -> bool:
        """Whether the vault can still say which card it is."""
        keyring = open_keyring(self.data_dir / "keys")
        key = key_of(keyring, "card", card_no)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return key in open_identifiers(connection, keyring, [key])


@dataclass
class Story:
    """A backup before the erasure, one between request and approval, one after it."""

    source: Machine
    before: Path
    between: Path
    after: Path
    code: str


@pytest.fixture(scope="module")
def story(shared_hub: RunningHub, chongqing: Province, tmp_path_factory: pytest.TempPathFactory) -> Story:
    path, source = tmp_path_factory.mktemp("backups"), Machine(shared_hub.dsn, shared_hub.data_dir)
    old_card(chongqing, FORGOTTEN)
    old_card(chongqing, KEPT)
    source.done("backup", str(path / "before"))
    code = request(source)
    source.done("backup", str(path / "between"))
    assert source.done("erasure", "approve", code, "--operator", "han.meimei")["state"] == "ERASED"
    source.done("backup", str(path / "after"))
    return Story(source, path / "before", path / "between", path / "after", code)


@pytest.fixture
def empty(story: Story) -> Iterator[Machine]:
    """A migrated database without events on the same server, with the same keys."""
    name = f"{conninfo_to_dict(story.source.dsn)['dbname']}_restored_{next(_numbers)}"
    with fresh_database(story.source.dsn, name) as dsn:
        yield Machine(dsn, story.source.data_dir)


def request(machine: Machine) -> str:
    of_card = ("erasure", "request", "--kind", "card", "--issuer", "50", "--ground", "SERVICE_ENDED", "--operator", "li.lei")
    return str(machine.done(*of_card, stdin=FORGOTTEN)["code"])


def erasures_of(directory: Path) -> str:
    return str(sorted(directory.glob("run-*/erasures.json"))[-1])


def test_the_list_of_a_later_backup_erases_again_what_the_older_one_brings_back(story: Story, empty: Machine) -> None:
    restored = empty.done("restore", str(story.before), "--erasures", erasures_of(story.after))
    assert (restored["clean"], restored["erased"]) == (True, 1)
    assert (empty.knows(FORGOTTEN), empty.knows(KEPT)) == (False, True)


def test_what_the_list_erased_stays_erased_when_the_province_sends_again(story: Story, empty: Machine, tmp_path: Path) -> None:
    empty.done("restore", str(story.before), "--erasures", erasures_of(story.after))
    with running_hub(empty.dsn, story.source.data_dir) as hub:
        province = Province(hub, CHONGQING)
        province.tell("cq.card-center", registered(FORGOTTEN, at_s=LONG_AGO_S))
        province.channel.close()
    assert empty.knows(FORGOTTEN) is False


def test_the_record_of_an_erasure_after_the_backup_is_gone_and_cannot_be_asked_for_again(story: Story, empty: Machine) -> None:
    empty.done("restore", str(story.before), "--erasures", erasures_of(story.after))
    assert story.code not in empty.run("erasure", "list", "--all", "--json").stdout
    again = empty.run("erasure", "request", "--kind", "card", "--issuer", "50", "--ground", "SERVICE_ENDED", stdin=FORGOTTEN)
    assert isinstance(again.exception, IdentifierErasedAlready)


def test_without_the_list_the_erasure_is_asked_for_and_approved_once_more(story: Story, empty: Machine) -> None:
    assert empty.done("restore", str(story.before))["clean"] is True
    assert empty.knows(FORGOTTEN) is True
    assert empty.done("erasure", "approve", request(empty), "--operator", "han.meimei")["state"] == "ERASED"
    assert (empty.knows(FORGOTTEN), empty.knows(KEPT)) == (False, True)
    assert empty.done("fsck", "--no-views")["clean"] is True


def test_a_request_that_was_open_at_the_backup_waits_again_for_its_approval(story: Story, empty: Machine) -> None:
    assert empty.done("restore", str(story.between))["clean"] is True
    assert story.code in empty.run("erasure", "list", "--json").stdout
    assert empty.knows(FORGOTTEN) is True
    assert empty.done("erasure", "approve", story.code, "--operator", "han.meimei")["state"] == "ERASED"
    assert empty.knows(FORGOTTEN) is False


def test_a_backup_after_the_erasure_brings_back_nothing_and_the_record(story: Story, empty: Machine) -> None:
    assert empty.done("restore", str(story.after))["clean"] is True
    assert empty.knows(FORGOTTEN) is False
    assert story.code in empty.run("erasure", "list", "--all", "--json").stdout
