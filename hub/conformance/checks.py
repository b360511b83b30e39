"""What a trial is judged by: each check gives a sentence in Chinese and English for what a client has to change, none where it is right."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

from hub.conformance.seen import Batch, Seen

Check = Callable[..., Iterator[str]]
CHECKS: dict[str, Check] = {}
BATCH_EVENTS = 500
REASON_CHARACTERS = 200


def check(function: Check) -> Check:
    """Makes a function a check that trials name."""
    CHECKS[function.__name__] = function
    return function


def both(chinese: str, english: str) -> str:
    """Returns a sentence in both languages."""
    return f"{chinese}{english}"


def problems_of(seen: Seen) -> list[str]:
    """Judges a trial by its checks and by what holds of every trial; of a client that never called there is nothing else to say."""
    if not seen.exchanges:
        return list(_absent(seen))
    found = list(_content(seen)) + list(_ended(seen)) + list(_stopped(seen)) + list(_unmet(seen)) + list(_unfit(seen)) + list(_unsaid(seen))
    for named in seen.told.trial.checks:
        parameters = {name: value for name, value in named.items() if name != "name"}
        found += CHECKS[named["name"]](seen, **parameters)
    return found


def _absent(seen: Seen) -> Iterator[str]:
    """Of a client that ended by itself, what it printed says more than the kit can."""
    code = seen.ends[-1] if seen.ends else None
    if code:
        yield both(
            f"没有收到任何调用，客户端以 {code} 退出：看它的输出。",
            f"No call came, and the client exited with {code}: read what it printed.",
        )
        return
    said = "No call came: look at the address, the authority and the client certificate."
    yield both("没有收到任何调用：检查地址、CA 与客户端证书。", said)
    yield from _ended(seen)


def _content(seen: Seen) -> Iterator[str]:
    """Whatever is sent under a number is, byte for byte, what the trial gave."""
    for batch in seen.batches:
        for number, event in enumerate(batch.events, batch.first):
            if not 1 <= number <= len(seen.told.events):
                yield both(
                    f"编号 {number} 不在应有的 1–{len(seen.told.events)} 内：编号从 1 起，不跳。",
                    f"Number {number} is beyond 1–{len(seen.told.events)}: number from 1 and skip none.",
                )
                return
            right = seen.told.events[number - 1]
            if event.SerializeToString(deterministic=True) != right.SerializeToString(deterministic=True):
                if event.card.issuing_province != right.card.issuing_province:
                    yield both(
                        f"编号 {number} 的卡属于另一省：照所给内容发送。",
                        f"The card of number {number} is of another province: send what you were given.",
                    )
                else:
                    yield both(
                        f"编号 {number} 的内容不是所给的：同一编号永远是同一内容。",
                        f"Number {number} carries something else than it was given: a number is the same content for ever.",
                    )
                return


def _ended(seen: Seen) -> Iterator[str]:
    if not seen.ends or seen.ends[-1] is None:
        yield both("未在时限内结束：读完答复后以 0 退出。", "It did not end in time: read the answers, and exit with 0 once all is done.")
    elif seen.ends[-1] != 0:
        yield both(
            f"以 {seen.ends[-1]} 退出：看它的输出；可重试的故障须自行恢复。",
            f"It exited with {seen.ends[-1]}: read what it printed; a fault that passes is to be outlived.",
        )


def _stopped(seen: Seen) -> Iterator[str]:
    """It gave up where there was nothing to stop for: its own reason says what it took for that."""
    if any(named["name"].startswith("stops_at_") for named in seen.told.trial.checks):
        return
    for reason in dict.fromkeys(seen.result("stopped")):
        yield both(
            f"它报告数据流已停止，理由为 {reason[:REASON_CHARACTERS]!r}：此处不该停下，按 clients.md 接着发。",
            f"It says that it stopped the feed, for {reason[:REASON_CHARACTERS]!r}: this is nothing to stop for; go on as clients.md says.",
        )


def _unsaid(seen: Seen) -> Iterator[str]:
    """Each step that was done has its line; of a client that did not come to its end nothing more is asked."""
    if not seen.ends or seen.ends[-1] != 0:
        return
    said = {line.get("step") for line in seen.results if not isinstance(line.get("step"), (bool, list, dict))}
    if missing := [number for number in range(1, len(seen.told.steps) + 1) if number not in said]:
        yield both(
            f"结果中缺第 {'、'.join(map(str, missing))} 步：每步完成后写一行 JSON，step 从 1 起。",
            f"The results have no line for step {', '.join(map(str, missing))}: after each step add a line of JSON, with step from 1 on.",
        )


def _unmet(seen: Seen) -> Iterator[str]:
    """What was to go wrong did: without it nothing was tried. Who sends by calls alone meets none of a stream's."""
    for fault in seen.unmet:
        if fault.method != "StreamEvents" or seen.calls("StreamEvents"):
            yield both(
                f"没有遇到故障 {fault.kind}：发送得不够多，或没有再试。",
                f"It never met the fault {fault.kind}: it sent too little, or did not try again.",
            )


def _unfit(seen: Seen) -> Iterator[str]:
    for name in sorted(seen.unfit):
        yield both(f"结果中的 {name} 格式不对：见 conformance.md。", f"{name} in the results has not the form that conformance.md gives.")


@check
def came_as_itself(seen: Seen) -> Iterator[str]:
    """It connected with its certificate."""
    if any(exchange.code in ("UNAUTHENTICATED", "PERMISSION_DENIED") for exchange in seen.exchanges):
        yield both("证书未被接受：出示所给的客户端证书。", "It was not let in: present the client certificate that it was given.")


@check
def recorded_once(seen: Seen) -> Iterator[str]:
    """The journal holds every event once, under its own number."""
    wanted = [event.source.message_id for event in seen.told.events]
    found = [held.message_id or "" for held in seen.held]
    if len(found) != len(wanted):
        yield both(
            f"日志里有 {len(found)} 个事件，应为 {len(wanted)} 个：每个事件只编一次号，直到答复为止。",
            f"The journal holds {len(found)} events, not {len(wanted)}: number each once, and send it until it is answered.",
        )
    for held in seen.held[: len(wanted)]:
        is_bad = held.sequence in seen.told.bad
        if (held.kind == "event_quarantined") != is_bad:
            yield both(
                f"编号 {held.sequence} 为 {held.kind}：内容与所给不同。",
                f"Number {held.sequence} is {held.kind}: other content than was given.",
            )
            return
        if not is_bad and held.message_id != wanted[held.sequence - 1]:
            yield both(
                f"编号 {held.sequence} 不是应有的事件：顺序或编号变了。",
                f"Number {held.sequence} is not the event that it should be: order or numbers changed.",
            )
            return


@check
def numbers_follow(seen: Seen) -> Iterator[str]:
    """No number is skipped on the wire: a batch begins at most where the one before ended."""
    highest = 0
    for batch in seen.batches:
        if batch.first == 0:
            yield both("编号从 0 起：第一个事件的编号是 1。", "It numbers from 0: the first event has number 1.")
        if batch.first > highest + 1:
            yield both(f"从 {highest} 跳到 {batch.first}：编号不跳。", f"It skips from {highest} to {batch.first}: leave no number out.")
            return
        highest = max(highest, batch.last)


@check
def resends_the_same(seen: Seen) -> Iterator[str]:
    """What got no answer was sent again, under the same numbers."""
    for batch in seen.batches:
        if batch.refused and not _is_sent_again(seen, batch):
            yield both(
                f"{batch.first}–{batch.last} 没有得到答复，却未重发：以同样的编号和内容重发。",
                f"{batch.first}–{batch.last} got no answer and was not sent again: send the same numbers with the same content.",
            )
            return


def _is_sent_again(seen: Seen, lost: Batch) -> bool:
    later = [batch for batch in seen.batches if batch.passed.at_s > lost.passed.at_s]
    return all(any(batch.first <= number <= batch.last for batch in later) for number in range(lost.first, lost.last + 1))


@check
def says_acknowledged(seen: Seen) -> Iterator[str]:
    """It took a duplicate as success."""
    if max(seen.result("acknowledged"), default=0) != len(seen.told.events):
        yield both(
            "未报告已确认：DUPLICATE 就是成功，旧位置随答复给出。",
            "It did not report all as acknowledged: DUPLICATE is success, with the old position.",
        )


@check
def stops_at_conflict(seen: Seen) -> Iterator[str]:
    """It stopped the feed, said so, and put nothing under other numbers."""
    ours = {event.source.message_id for event in seen.told.events}
    if any(held.message_id in ours for held in seen.held):
        yield both(
            "冲突后改了编号：编号永不改作他用，停下并由人查明。",
            "After the conflict it used other numbers: never do; stop, and have people find out which is right.",
        )
    conflicts = [batch for batch in seen.batches if batch.refused == "SEQUENCE_CONFLICT"]
    if len(conflicts) > 2:
        yield both(
            f"冲突后又发了 {len(conflicts) - 1} 次：冲突不会自行消失，停下该数据流。",
            f"It sent {len(conflicts) - 1} times more after the conflict: it will not pass; stop the feed.",
        )
    if not seen.result("stopped"):
        yield both("未报告已停止：在结果中写明 stopped。", "It did not say that the feed is stopped: write it to the results.")


@check
def reports_quarantined(seen: Seen) -> Iterator[str]:
    """It learned from the answers which were quarantined."""
    said = {number for numbers in seen.result("quarantined") for number in numbers}
    if said != seen.told.bad:
        yield both(
            f"报告的隔离编号为 {sorted(said)}，应为 {sorted(seen.told.bad)}：读答复里的 quarantined。",
            f"It reports {sorted(said)} as quarantined, not {sorted(seen.told.bad)}: read quarantined in the answers.",
        )


@check
def batches_fit(seen: Seen) -> Iterator[str]:
    """No batch is too large."""
    if large := [batch for batch in seen.batches if len(batch.events) > BATCH_EVENTS]:
        yield both(
            f"一批有 {len(large[0].events)} 个事件：每批至多 {BATCH_EVENTS} 个。",
            f"A batch has {len(large[0].events)} events: at most {BATCH_EVENTS} go into one.",
        )


@check
def keeps_receipts(seen: Seen) -> Iterator[str]:
    """Every receipt that was given is kept as it came."""
    given = {batch.receipt.text for batch in seen.batches if batch.receipt is not None and not batch.refused}
    kept = {receipt["text"] for receipts in seen.result("receipts") for receipt in receipts}
    if not given <= kept:
        right = len(kept & given)
        yield both(
            f"报告了 {len(kept)} 份回执，枢纽给的 {len(given)} 份中有 {right} 份在内：逐份留存，text 照原样，不转 base64。",
            f"It reports {len(kept)} receipts, with {right} of the {len(given)} given: keep each, its text as it came, not in base64.",
        )


@check
def stops_at_a_spoiled_receipt(seen: Seen) -> Iterator[str]:
    """It verified the signature, and took nothing as acknowledged by that answer."""
    if not seen.result("stopped"):
        yield both(
            "未发现回执签名不符：用 GetReceiptKeys 的公钥核验，不符即停下并报告。",
            "It did not see a wrong signature: verify it with the keys of GetReceiptKeys; where it is wrong, stop and say so.",
        )
    spoiled = {base64.b64encode(batch.receipt.signature).decode() for batch in seen.batches if batch.receipt is not None}
    kept = {receipt["signature"] for receipts in seen.result("receipts") for receipt in receipts}
    if kept & spoiled:
        yield both("留存了签名不符的回执。", "It kept a receipt that is wrongly signed.")


def texts_of(found: Any) -> list[str]:
    """Returns what was found, each once."""
    return list(dict.fromkeys(found))
