"""The checks of silver: questions, subscriptions, the hotlist, totals."""

from collections.abc import Iterator
from itertools import pairwise

from hub.conformance.checks import both, check
from hub.conformance.seen import Seen
from hub.words.outcomes import outcome_name


@check
def asked_as_told(seen: Seen, least: int = 1, most: int = 50) -> Iterator[str]:
    """The question came as it was given, also where it came again."""
    right = {question.SerializeToString(deterministic=True) for question in seen.told.questions}
    came = [request for _, request in seen.asked("CheckAcceptance")]
    if len({request.request_id for request in came}) > len(right):
        yield both(
            "重问时换了 request_id：同一问题用同一个，才得到同一答复。",
            "It asked again under another request_id: one question has one, and gets one answer.",
        )
    elif any(request.SerializeToString(deterministic=True) not in right for request in came):
        yield both("所问与所给的不同：照原样询问。", "The question is not the one that was given: ask it as it is.")
    if len(came) < least:
        yield both(f"只问了 {len(came)} 次：可恢复的拒绝须再问。", f"It asked {len(came)} times: after a refusal that passes, ask again.")
    if len(came) > most:
        yield both(
            f"问了 {len(came)} 次：已有答复就不再问。", f"It asked {len(came)} times: an answer, also a DENY, is not asked for again."
        )


@check
def paused_between(seen: Seen, least_s: float) -> Iterator[str]:
    """It waited before it asked again."""
    calls = seen.calls("CheckAcceptance")
    if any(later.began_s - earlier.ended_s < least_s for earlier, later in pairwise(calls)):
        yield both(f"立即重问：先等候至少 {least_s} 秒。", f"It asked again at once: wait at least {least_s} s.")


@check
def reports_outcome(seen: Seen) -> Iterator[str]:
    """What it reports is what it was answered."""
    given = [
        outcome_name(answer.outcome)
        for exchange in seen.calls("CheckAcceptance")
        for passed, answer in exchange.messages(is_request=False)
        if not passed.made_by
    ]
    said = seen.result("outcome")
    if not given or said != given[-1:]:
        yield both(
            f"报告的结论为 {said}，答复为 {given[-1:]}：只报枢纽的答复，DENY 也是答复。",
            f"It reports {said}, the answer was {given[-1:]}: report what the hub said; a DENY is an answer, a refusal is none.",
        )


@check
def received_once(seen: Seen) -> Iterator[str]:
    """It reports the position of every event, once and in order."""
    wanted = [held.position for held in seen.held if held.kind != "event_quarantined"]
    said = [position for positions in seen.result("positions") for position in positions]
    if said == wanted:
        return
    if len(said) != len(set(said)):
        yield both("有事件收了两次：从最后收到的位置接着订阅。", "It took an event twice: subscribe again from the last position received.")
    else:
        yield both(
            f"收到 {len(said)} 个位置，应为 {len(wanted)} 个，依次：不缺不重。",
            f"It received {len(said)} positions, not the {len(wanted)} in order: none missing, none twice.",
        )


@check
def resumes_from_the_last(seen: Seen) -> Iterator[str]:
    """Each subscription after the first begins at or after the last event that came before, and not beyond it."""
    calls = seen.calls("Subscribe")
    if len(calls) < 3:
        yield both(
            "流结束后没有再订阅：OK 结束也要从最后位置重开。",
            "It did not subscribe again: after an end with OK open it again from the last position.",
        )
    last = 0
    for number, exchange in enumerate(calls):
        begins = [request.from_position for _, request in exchange.messages(is_request=True)]
        if number and begins and begins[0] != last:
            yield both(
                f"从位置 {begins[0]} 重开，最后收到的是 {last}。",
                f"It began again from {begins[0]}, the last position received was {last}.",
            )
            return
        for passed, answer in exchange.messages(is_request=False):
            if not passed.made_by:
                last = answer.delivered.position if answer.HasField("delivered") else answer.progress.position


@check
def reads_the_hotlist(seen: Seen) -> Iterator[str]:
    """It says of each card what the list says."""
    said = {name for names in seen.result("listed") for name in names}
    if said != seen.told.listed:
        missing, wrong = sorted(seen.told.listed - said), sorted(said - seen.told.listed)
        yield both(
            f"名单读法有误：漏 {missing}，误 {wrong}；按 hotlist.md 读取并验签。",
            f"It reads the list wrongly: missed {missing}, wrong {wrong}; read and verify it as hotlist.md says.",
        )


@check
def reports_totals_once(seen: Seen) -> Iterator[str]:
    """The same totals, under the same version, until they are answered."""
    right = {request.SerializeToString(deterministic=True) for request in seen.told.totals}
    came = [request.SerializeToString(deterministic=True) for _, request in seen.asked("SubmitControlTotals")]
    if set(came) - right:
        yield both("重报时换了版本或内容：原样再报。", "Reported again with another version or content: report the same again.")
    if len(came) < 2:
        yield both("答复丢失后没有再报。", "It did not report again after the answer was lost.")
    if not seen.result("comparison"):
        yield both("未报告比对结果。", "It did not say how the books compare.")
