"""The packages that provinces build on: each as it is packed, its first event at a hub, and what it does where the hub says no."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from adapters.clients import build
from adapters.kit.client import Cursor, CursorUnreadable, HubConnection, Refusal, Subscriber, mutual_tls
from adapters.kit.proofs import check
from adapters.receipts.command import _of_file
from tests.adapters.conftest import Run
from tests.clients import Province, add_feed, of_feed
from tests.hub_process import CHONGQING, RunningHub
from tests.messages import registered

PARTICIPANT = "cq.card-center"


def at(hub: RunningHub, feed: str) -> list[str]:
    hub.certificate(CHONGQING)
    return [hub.targets[0], str(hub.certificates_dir), PARTICIPANT, feed]


def recorded(hub: RunningHub, feed: str) -> list[tuple[int, str]]:
    return [(one.sequence, one.kind) for one in of_feed(hub.dsn, feed)]


@pytest.mark.parametrize("language", ["python", "node", "java"])
def test_a_first_event_is_less_than_forty_lines(language: str) -> None:
    (example,) = (build.HERE / language).rglob("[fF]irst*vent.*")
    assert len(example.read_text(encoding="utf-8").splitlines()) < 40


def test_the_first_event_in_python_has_one_number_however_often_it_is_sent(
    shared_hub: RunningHub, python_client: Run, tmp_path: Path
) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.first-python")
    example = str(build.HERE / "python" / "first_event.py")
    loaded = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0]); print(*sorted(name for name in sys.modules))"
    first = python_client(tmp_path, "-c", loaded, example, *at(shared_hub, feed))
    said, modules = first.stdout.splitlines()
    assert (first.returncode, said) == (0, f"{feed} 1 new: recorded"), first.stderr
    assert not {"hub", "adapters", "typer", "uvicorn", "starlette", "psycopg"} & set(modules.split())
    again = python_client(tmp_path, example, *at(shared_hub, feed))
    assert again.stdout == f"{feed} 1 sent before: recorded\n", again.stderr
    assert recorded(shared_hub, feed) == [(1, "card_registered")]


def test_the_first_event_in_node_has_one_number_however_often_it_is_sent(shared_hub: RunningHub, node_client: Run, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.first-node")
    shutil.copy(build.HERE / "node" / "first_event.mjs", tmp_path)
    for said in ("new", "sent before"):
        done = node_client(tmp_path, "first_event.mjs", *at(shared_hub, feed))
        assert done.stdout == f"{feed} 1 {said}: recorded\n", done.stderr
    assert recorded(shared_hub, feed) == [(1, "card_registered")]
    # The hub's receipt of it was kept, in lines that the adapters' own command verifies.
    documents, keys = _of_file(tmp_path / "outbox.receipts")
    assert [(says.feed, says.first, says.last) for says in (check(document, keys) for document in documents)] == [(feed, 1, 1)]


NODE_STEPS = """
import { Cursor, FeedSender, HubConnection, mutualTls, NotInContract, Outbox, Subscriber } from "chuanyu-exchange-client";
import { appendFileSync, writeFileSync } from "node:fs";
const [target, certificates, participant, feed, other] = process.argv.slice(2);
const file = (name) => `${certificates}/${name}`;
const credentials = mutualTls(file("ca.crt"), file(`${participant}.crt`), file(`${participant}.key`));
const connection = new HubConnection(["127.0.0.1:9", target], credentials);
const card = (number) => ({ issuing_province: "50", kind: "CARD_IDENTIFIER_KIND_CARD_NO", clear: `S${String(number).padStart(8, "0")}` });
const event = (number, more = {}) => ({
  key: `card ${number}`,
  event: { occurred_at: new Date("2025-09-01T00:00:00Z"), issuer_region: "500199", card: card(number), source: { system: "node" },
    card_registered: { status: "SOCIAL_STATUS_ACTIVE", generation: "CARD_GENERATION_THIRD", card_kind: "CARD_KIND_REGULAR" }, ...more },
});
process.on("warning", ({ name, message }) => name === "HubWarning" && (told.warned ??= message));
const told = {}, said = (work) => { try { work(); return ""; } catch (error) { return error.message; } };
let outbox = new Outbox("steps.log"), sender = new FeedSender(outbox, connection, feed);
told.misspelt = [
  said(() => sender.put([event(1, { card_registered: { status: "SOCIAL_STATUS_ACTIV" } })])),
  said(() => sender.put([event(1, { card_regist: {} })])),
];
writeFileSync("loaded.log", "chuanyu-outbox 1\\nN loaded 18500001\\n");
told.loaded = new Outbox("loaded.log").put("loaded", [{ key: "k", event: Buffer.from("e") }]);
told.inUse = said(() => new Outbox("steps.log") && 0);
sender.put(Array.from({ length: 700 }, (_, number) => event(number)));
outbox.close();
appendFileSync("steps.log", `E ${feed} 701 half a li`);
outbox = new Outbox("steps.log");
sender = new FeedSender(outbox, connection, feed).start();
told.next = sender.put([event(700, { issuer_region: "509999" }), event(3)]);
await sender.acknowledged(701);
told.quarantined = outbox.quarantined(feed, 701);
told.kept = (outbox.close(), await sender.stop(), (outbox = new Outbox("steps.log")).state(feed));
const cursor = new Cursor("cursor"), numbers = [];
for (let from of [0, cursor.position]) {
  for await (const delivered of new Subscriber(connection, cursor.position, ["card_registered"]).events()) {
    if (delivered.recorded_as.feed === feed) numbers.push(delivered.recorded_as.sequence);
    cursor.keep(delivered.position);
    if (numbers.length === 300 || numbers.length === 700) break;
  }
}
told.heard = [numbers.length, new Set(numbers).size];
const elsewhere = new FeedSender(new Outbox("other.log"), connection, other).start();
elsewhere.put([event(1)]);
told.conflict = await elsewhere.acknowledged(1).catch((error) => error.message);
told.notOwner = await connection.call("FeedService", "GetFeed", { feed: "sc.usage" }).catch((error) => error.reason);
console.log(JSON.stringify(told));
process.exit(0);
"""


def test_the_node_client_goes_on_resumes_and_stops_where_it_should(
    shared_hub: RunningHub, chongqing: Province, node_client: Run, tmp_path: Path
) -> None:
    feed, other = add_feed(shared_hub, CHONGQING, "cq.steps-node"), add_feed(shared_hub, CHONGQING, "cq.steps-other")
    chongqing.append(other, 1, registered("O00000001"))
    (tmp_path / "steps.mjs").write_text(NODE_STEPS, encoding="utf-8")
    done = node_client(tmp_path, "steps.mjs", *at(shared_hub, feed), other)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["misspelt"][0].startswith("card_registered.status: SocialStatus has no SOCIAL_STATUS_ACTIV; it has SOCIAL_STATUS_UNSPEC")
    assert told["misspelt"][1].startswith("card_regist: Event has no such field; it has occurred_at")
    assert told["next"] == [{"sequence": 701, "isNew": True}, {"sequence": 4, "isNew": False}]
    assert told["quarantined"] == ["issuer_region unknown_region"]
    assert told["kept"] == {"next": 702, "acknowledged": 701}
    assert told["heard"] == [700, 700]
    assert told["warned"].startswith(f"feed {feed} is waiting: UNAVAILABLE")
    assert told["loaded"] == [{"sequence": 18_500_001, "isNew": True}]
    assert told["inUse"] == "steps.log is in use by this process"
    assert (told["conflict"], told["notOwner"]) == ("the hub has another event under 1", "NOT_FEED_OWNER")


@pytest.mark.slow
def test_the_first_event_in_java_has_one_number_however_often_it_is_sent(shared_hub: RunningHub, java_client: Run, tmp_path: Path) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.first-java")
    for said in ("new", "sent before"):
        done = java_client(tmp_path, "chuanyu.client.FirstEvent", *at(shared_hub, feed))
        assert done.stdout == f"{feed} 1 {said}: recorded\n", done.stderr
    assert recorded(shared_hub, feed) == [(1, "card_registered")]


def test_a_subscriber_goes_on_from_its_cursor_and_past_an_edge_that_is_away(
    shared_hub: RunningHub, chongqing: Province, tmp_path: Path
) -> None:
    feed = add_feed(shared_hub, CHONGQING, "cq.subscribed")
    before = chongqing.tell(feed, registered("B00000001")) - 1
    chongqing.tell(feed, *(registered(f"B{number:08d}") for number in range(2, 7)))
    files = shared_hub.certificate(CHONGQING)

    async def read(count: int) -> list[int]:
        connection = HubConnection(["127.0.0.1:9", shared_hub.targets[0]], mutual_tls(files.authority, files.certificate, files.key))
        cursor, numbers = Cursor(tmp_path / "cursor"), []
        subscriber = Subscriber(connection, cursor.position or before, ["card_registered"])
        async for delivered in subscriber.events():
            numbers.append(delivered.recorded_as.sequence)
            cursor.keep(delivered.position)
            if len(numbers) == count:
                break
        await connection.close()
        return numbers

    async def read_ahead() -> str:
        connection = HubConnection(shared_hub.targets, mutual_tls(files.authority, files.certificate, files.key))
        with pytest.raises(Refusal) as refused:
            await anext(Subscriber(connection, 10**12).events())
        await connection.close()
        return refused.value.reason

    assert (asyncio.run(read(4)), asyncio.run(read(2))) == ([1, 2, 3, 4], [5, 6])
    assert asyncio.run(read_ahead()) == "CURSOR_AHEAD"
    (tmp_path / "cursor").write_text("half a number", encoding="ascii")
    with pytest.raises(CursorUnreadable, match="begin again at 0"):
        Cursor(tmp_path / "cursor")
