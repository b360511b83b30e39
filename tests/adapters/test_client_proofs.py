"""What the packages of Node.js and Java believe: receipts and hotlists that are the hub's, and no other; and the trials, gold."""

import hashlib
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.clients import build
from adapters.kit.proofs import HubKey, check
from adapters.receipts.command import _of_file
from hub.conformance.clients import Command
from hub.conformance.kit import Verdict
from hub.conformance.running import judge_all, prepared
from hub.conformance.trials import all_trials
from hub.trust.batch_texts import ReceiptSays, events_digest, receipt_text
from tests.adapters.conftest import Run

VECTORS = Path(__file__).parents[1] / "hotlist_vectors.json"
NODE_HOTLIST = """
import { readFileSync } from "node:fs";
import { Hotlist } from "chuanyu-exchange-client";
const { public_key: key, snapshot, delta } = JSON.parse(readFileSync(process.argv[2]));
const files = [snapshot, delta].map(({ file }) => Buffer.from(file, "hex")), hub = Buffer.from(key, "hex");
const said = (work) => { try { work(); return "taken"; } catch (error) { return error.message; } };
const wrong = (list, { cards, made_us: us }) =>
  cards.filter(({ name, listed }) => list.answer(name, us / 1000) !== (listed ? "LISTED" : "NOT_LISTED"));
const list = new Hotlist(hub, files[0]), told = { wrong: wrong(list, snapshot) };
list.apply(files[1]);
told.wrong.push(...wrong(list, delta));
told.stale = list.answer("card|50|A99999999", delta.made_us / 1000 + delta.stale_after_s * 1000);
const spoiled = Buffer.from(files[0]), other = Buffer.from(hub);
spoiled[spoiled.length - 70] ^= 1;
other[0] ^= 1;
told.refused = [
  said(() => new Hotlist(hub, spoiled)), said(() => new Hotlist(other, files[0])), said(() => new Hotlist(hub, files[0].subarray(0, 90))),
  said(() => list.apply(files[0])), said(() => list.apply(files[1])), said(() => Hotlist.read(hub, files[0], [], 8)),
];
console.log(JSON.stringify(told));
"""


def test_the_node_client_reads_the_hotlist_and_refuses_what_is_not_the_hubs(node_client: Run, tmp_path: Path) -> None:
    (tmp_path / "hotlist.mjs").write_text(NODE_HOTLIST, encoding="utf-8")
    done = node_client(tmp_path, "hotlist.mjs", str(VECTORS))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    unsigned, behind = "the signature is not the hub's", "the delta does not follow what is held"
    assert (told["wrong"], told["stale"]) == ([], "STALE")
    assert told["refused"][:5] == [unsigned, unsigned, unsigned, "another kind of file, or a newer version", behind]
    assert told["refused"][5].startswith("older than what was held")


NODE_RECEIPTS = """
import { appendFileSync, readFileSync } from "node:fs";
import { Receipts } from "chuanyu-exchange-client";
const { keys, cases, sent } = JSON.parse(readFileSync(process.argv[2]));
const said = (work) => { try { work(); return "kept"; } catch (error) { return error.message.split(": ")[1]; } };
const bytes = (key) => ({ ...key, public_key: Buffer.from(key.public_key, "hex") });
const hub = { call: async () => ({ origin: "log/1", keys: keys.map(bytes) }) };
let receipts = new Receipts("receipts.jsonl");
const by = await receipts.ask(hub), told = {};
const signed = (receipt) => receipt && { ...receipt, signature: Buffer.from(receipt.signature, "hex") };
const take = (from, { receipt, ...answer }) => said(() => receipts.keep(from, { ...answer, receipt: signed(receipt) }, sent));
told.said = cases.map((one) => take(by, one));
receipts.close();
appendFileSync("receipts.jsonl", '{"receipt":"chuan');
receipts = new Receipts("receipts.jsonl", { trusted: ["0123456789abcdef"] });
told.of = receipts.of("f").length;
told.untrusted = take(await receipts.ask(hub), cases[0]);
told.sameBlind = receipts.blind("f", 1, 2).equals(new Receipts("receipts.jsonl").blind("f", 1, 2));
console.log(JSON.stringify(told));
"""


class Answers:
    """Answers to a batch of two events, each with a receipt that is wrong in one thing."""

    def __init__(self) -> None:
        self.key, self.digest = Ed25519PrivateKey.generate(), events_digest(b"blind", [b"one", b"two"])
        self.public = self.key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(self.public).hexdigest()[:16]

    def keys(self) -> list[dict[str, Any]]:
        at, none = {"seconds": 1_000, "nanos": 0}, {"seconds": 3_000, "nanos": 0}
        key = {"algorithm": "SIGNING_ALGORITHM_ED25519", "key_id": self.id, "public_key": self.public.hex(), "valid_from": at}
        return [{**key, "valid_until": none}, {**key, "key_id": "0" * 16, "valid_until": None}]

    def answer(self, at_us: int = 2_000_123_456, **other: Any) -> dict[str, Any]:
        says = ReceiptSays("log/1", "f", 1, 2, [(7, 7), (9, 9)], at_us, self.digest, self.id)._replace(**other)
        text = receipt_text(says)
        receipt = {"text": text, "key_id": says.key_id, "signature": self.key.sign(text.encode()).hex()}
        at = {"seconds": at_us // 1_000_000, "nanos": at_us % 1_000_000 * 1_000}
        return {"feed": "f", "positions": [7, 9], "recorded_at": at, "receipt": receipt}


def test_the_node_client_keeps_the_receipts_that_are_the_hubs_and_says_what_is_wrong_with_others(node_client: Run, tmp_path: Path) -> None:
    hub = Answers()
    unsigned = hub.answer()
    unsigned["receipt"]["signature"] = "00" * 64
    cases: dict[str, list[dict[str, Any]]] = {
        "kept": [hub.answer(), hub.answer(2_000_123_999)],
        "missing": [{**hub.answer(), "receipt": None}],
        "the signature is not the hub's": [unsigned],
        "it says something else than the answer": [
            hub.answer(origin="log/2"), hub.answer(feed="g"), hub.answer(last=3), hub.answer(positions=[(7, 8)]),
            hub.answer(recorded_us=2_000_123_457), hub.answer(events_digest=events_digest(b"blind", [b"one", b"to"])),
        ],
        f"the key {'0' * 16} is not one that counts": [hub.answer(key_id="0" * 16)],
        "its key was not valid then": [hub.answer(900_000_000), hub.answer(3_000_000_001)],
    }  # fmt: skip
    given = {
        "keys": hub.keys(),
        "cases": [one for some in cases.values() for one in some],
        "sent": {"first": 1, "count": 2, "digest": hub.digest.hex()},
    }
    (tmp_path / "given.json").write_text(json.dumps(given), encoding="utf-8")
    (tmp_path / "receipts.mjs").write_text(NODE_RECEIPTS, encoding="utf-8")
    done = node_client(tmp_path, "receipts.mjs", "given.json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["said"] == [said for said, some in cases.items() for _ in some]
    assert (told["of"], told["untrusted"], told["sameBlind"]) == (1, f"the key {hub.id} is not one that counts", True)
    # The file is one that `province-adapter receipts verify` reads; of the same numbers the first receipt stayed.
    documents, keys = _of_file(tmp_path / "receipts.jsonl")
    assert keys == {hub.id: HubKey(hub.public, 1_000_000_000, 3_000_000_000)}
    assert [check(document, keys).recorded_us for document in documents] == [2_000_123_456]


LINE = json.dumps({"receipt": "chuanyu-receipt/1\nlog h\nfeed f\nnumbers 1-2\nsignature 00\n"}).encode()


def test_the_node_client_leaves_whole_lines_of_receipts_as_they_are(node_client: Run, tmp_path: Path) -> None:
    """Also one with a byte that is no text: what is cut off is what has no end."""
    whole = LINE.replace(b"log h", b"log \xff") + b"\n"
    (tmp_path / "receipts.jsonl").write_bytes(whole + b'{"receipt":"chuan')
    (tmp_path / "open.mjs").write_text('import { Receipts } from "chuanyu-exchange-client"; new Receipts("receipts.jsonl").close();')
    done = node_client(tmp_path, "open.mjs")
    assert (done.returncode, (tmp_path / "receipts.jsonl").read_bytes()) == (0, whole), done.stderr


# Each behind "chuanyu-outbox 1", with what is said of it.
DAMAGED = {
    "A f 1": "does not follow",
    "E f 2 aw== ZQ==": "does not follow",
    "E f x aw== ZQ==": "is cut or changed",
    "K f 1": "is cut or changed",
    "Q f": "is cut or changed",
}
NODE_OUTBOX = """
import { writeFileSync } from "node:fs";
import { Outbox } from "chuanyu-exchange-client";
for (const line of process.argv.slice(2)) {
  writeFileSync("outbox", `chuanyu-outbox 1\n${line}\n`);
  try { new Outbox("outbox").close(); console.log("taken"); } catch (error) { console.log(error.message); }
}
"""


def test_the_node_client_refuses_an_outbox_that_was_changed_by_its_line(node_client: Run, tmp_path: Path) -> None:
    (tmp_path / "outbox.mjs").write_text(NODE_OUTBOX)
    done = node_client(tmp_path, "outbox.mjs", *DAMAGED)
    assert done.stdout.splitlines() == [f"outbox: line 2 {said}" for said in DAMAGED.values()], done.stderr


def not_passed(target: str, tmp_path: Path) -> list[tuple[str, list[str], list[str]]]:
    with prepared(tmp_path / "data") as kit:
        verdicts: list[Verdict] = judge_all(kit, all_trials(), Command(target, tmp_path / "client.log"), lambda _: None)
    return [(one.trial.id, one.problems, one.lines) for one in verdicts if not one.passed]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_node_client_of_the_package_passes_gold(node_client: Run, tmp_path: Path) -> None:
    assert "is not set" in node_client(tmp_path, str(shutil.copy(build.HERE / "node" / "conformance.mjs", tmp_path))).stderr
    assert not_passed(f"node {tmp_path / 'conformance.mjs'}", tmp_path) == []


JAVA_HOTLIST = """
import chuanyu.client.Hotlist;
import java.util.*;
class Steps {
    public static void main(String[] given) {
        byte[] hub = bytes(given[0]), snapshot = bytes(given[1]), delta = bytes(given[2]), spoiled = snapshot.clone(), other = hub.clone();
        long madeMs = Long.parseLong(given[3]);
        var list = new Hotlist(hub, snapshot);
        System.out.println(given[5] + " " + answers(list, given[5], madeMs));
        list.apply(delta);
        System.out.println(given[6] + " " + answers(list, given[6], madeMs));
        System.out.println(list.answer("card|50|A99999999", Long.parseLong(given[4])));
        spoiled[spoiled.length - 70] ^= 1;
        other[0] ^= 1;
        said(() -> new Hotlist(hub, spoiled));
        said(() -> new Hotlist(other, snapshot));
        said(() -> new Hotlist(hub, Arrays.copyOf(snapshot, 90)));
        said(() -> list.apply(snapshot));
        said(() -> list.apply(delta));
        said(() -> Hotlist.read(hub, snapshot, List.of(), 8));
    }
    static String answers(Hotlist list, String names, long nowMs) {
        var listed = new ArrayList<String>();
        for (var name : names.split(",")) listed.add(list.answer(name.substring(1), nowMs) == Hotlist.Answer.LISTED ? "+" : "-");
        return String.join("", listed);
    }
    static byte[] bytes(String digits) { return HexFormat.of().parseHex(digits); }
    static void said(Runnable work) {
        try { work.run(); System.out.println("taken"); } catch (Hotlist.Refused refused) { System.out.println(refused.getMessage()); }
    }
}
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_java_client_reads_the_hotlist_and_refuses_what_is_not_the_hubs(java_client: Run, tmp_path: Path) -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    snapshot, delta = vectors["snapshot"], vectors["delta"]
    (tmp_path / "Steps.java").write_text(JAVA_HOTLIST, encoding="utf-8")
    marked = [",".join(("+" if card["listed"] else "-") + card["name"] for card in of["cards"]) for of in (snapshot, delta)]
    stale_ms = delta["made_us"] // 1_000 + delta["stale_after_s"] * 1_000
    times = str(snapshot["made_us"] // 1_000), str(stale_ms)
    done = java_client(tmp_path, "Steps.java", vectors["public_key"], snapshot["file"], delta["file"], *times, *marked)
    assert done.returncode == 0, done.stderr
    *answered, stale, unsigned, other, short, kind, behind, older = done.stdout.splitlines()
    for names, answers in (line.split() for line in answered):
        assert "".join(name[0] for name in names.split(",")) == answers
    assert len(answered) == 2 and stale == "STALE" and {unsigned, other, short} == {"the signature is not the hub's"}
    assert (kind, behind) == ("another kind of file, or a newer version", "the delta does not follow what is held")
    assert older.startswith("older than what was held")


JAVA_OUTBOX = """
import chuanyu.client.Outbox;
import java.nio.file.*;
class Damaged {
    public static void main(String[] given) throws Exception {
        var path = Path.of("outbox");
        for (var line : given) {
            Files.writeString(path, "chuanyu-outbox 1\\n" + line + "\\n");
            try {
                new Outbox(path).close();
                System.out.println("taken");
            } catch (Outbox.Unusable refused) {
                System.out.println(refused.getMessage());
            }
        }
    }
}
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_java_client_refuses_an_outbox_that_was_changed_by_its_line(java_client: Run, tmp_path: Path) -> None:
    (tmp_path / "Damaged.java").write_text(JAVA_OUTBOX)
    done = java_client(tmp_path, "Damaged.java", *DAMAGED)
    said = [line.rpartition(": ")[2] for line in done.stdout.splitlines()]
    assert said == [f"line 2 {said}" for said in DAMAGED.values()], done.stdout + done.stderr


JAVA_OPEN = """
class Open {
    public static void main(String[] given) throws Exception { new chuanyu.client.Receipts(java.nio.file.Path.of(given[0])).close(); }
}
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_java_client_leaves_whole_lines_of_receipts_as_they_are(java_client: Run, tmp_path: Path) -> None:
    """Also those that end as on Windows."""
    whole = (LINE + b"\r\n") * 2
    (tmp_path / "receipts.jsonl").write_bytes(whole + b'{"receipt":"chuan')
    (tmp_path / "Open.java").write_text(JAVA_OPEN)
    done = java_client(tmp_path, "Open.java", "receipts.jsonl")
    assert (done.returncode, (tmp_path / "receipts.jsonl").read_bytes()) == (0, whole), done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_java_client_of_the_package_passes_gold(java_client: Run, java_command: list[str], tmp_path: Path) -> None:
    assert "is not set" in java_client(tmp_path, "chuanyu.client.Conformance").stderr
    assert not_passed(shlex.join([*java_command, "chuanyu.client.Conformance"]), tmp_path) == []
