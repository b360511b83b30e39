"""The checks of gold: how a client behaves while answers are slow, the hub is away, or its certificate changes."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from hub.conformance.checks import both, check
from hub.conformance.seen import Seen


@check
def keeps_the_window(seen: Seen, most: int) -> Iterator[str]:
    """Not more batches unanswered than a stream's window, and one stream a feed at a time."""
    for exchange in seen.calls("StreamEvents"):
        waiting = highest = 0
        for passed in exchange.passed:
            waiting += 1 if passed.is_request else -1
            highest = max(highest, waiting)
        if highest > most:
            yield both(
                f"一个流里有 {highest} 批未答复：至多 {most} 批，读完答复再发。",
                f"{highest} batches of a stream were unanswered: at most {most}; read answers before you send on.",
            )
            return
    streams = sorted(seen.calls("StreamEvents") + seen.calls("AppendEvents"), key=lambda one: one.began_s)
    if any(later.began_s < earlier.ended_s for earlier, later in pairwise(streams)):
        yield both(
            "同一数据流同时开了几个流或调用：一条数据流一个。", "Several streams or calls of one feed were open at once: one at a time."
        )


@check
def sends_once(seen: Seen) -> Iterator[str]:
    """A slow answer is waited for."""
    counts: Counter[int] = Counter(number for batch in seen.batches for number in range(batch.first, batch.last + 1))
    if any(count > 1 for count in counts.values()):
        yield both("答复只是慢，却重发了：等候至少 5 秒。", "The answer was only slow, and it sent again: wait at least 5 s for it.")


@check
def waits_as_told(seen: Seen, least_s: float) -> Iterator[str]:
    """After a refusal with RetryInfo nothing is sent before its time."""
    for batch in seen.batches:
        if batch.refused != "QUEUE_FULL":
            continue
        later = [one for one in seen.batches if one.passed.at_s > batch.answered_s]
        if later and later[0].passed.at_s - batch.answered_s < least_s:
            yield both(
                f"{later[0].passed.at_s - batch.answered_s:.2f} 秒后就重发：RetryInfo 要求 {least_s:.2f} 秒。",
                f"It came back after {later[0].passed.at_s - batch.answered_s:.2f} s: RetryInfo said {least_s:.2f} s.",
            )
            return


@check
def was_started_again(seen: Seen) -> Iterator[str]:
    """The kit killed it and it came back."""
    if len(seen.ends) < 2:
        yield both(
            "没有发送到可以中断的地方：先发送，再等答复。",
            "It never sent what it was to be killed at: send first, then wait for the answer.",
        )


@check
def does_not_hammer(seen: Seen, most: int) -> Iterator[str]:
    """While the hub is away, attempts are few."""
    refused = [exchange for exchange in seen.exchanges if exchange.ended_by == "edge-away"]
    if len(refused) > most:
        yield both(
            f"枢纽不可用时调用了 {len(refused)} 次：间隔渐长地重试，至多 {most} 次。",
            f"It called {len(refused)} times while the hub was away: let pauses grow, at most {most} calls.",
        )


@check
def used_the_second_edge(seen: Seen) -> Iterator[str]:
    """What was recorded came by the second door."""
    if not any(exchange.door == 1 and exchange.code != "UNAVAILABLE" for exchange in seen.exchanges):
        yield both("没有改用第二个地址：所给地址都要试。", "It did not go to the second address: try each that it was given.")


@check
def uses_the_new_certificate(seen: Seen) -> Iterator[str]:
    """What was sent after the change came with the new certificate."""
    first = next((number for number, step in enumerate(seen.told.steps) if step["do"] == "use_certificate"), 0)
    before = sum(len(step.get("events", ())) for step in seen.told.steps[:first])
    late = [batch for batch in seen.batches if batch.last > before]
    if not late or any(batch.exchange.fingerprint != seen.second_fingerprint for batch in late):
        yield both(
            "换证后仍用旧证书：以新证书重新连接。", "After the change it still shows the old certificate: connect again with the new one."
        )
