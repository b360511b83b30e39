"""The hub's answers: the request that leads to each, the tokens they used, and the rules and the position that each names."""

from collections.abc import Callable, Iterator

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene
from hub.audit.fsck.streams import ANSWERING
from hub.domain.acceptance import USES
from hub.domain.instants import microseconds
from hub.domain.participant import DECISIONS_FEED
from hub.domain.pseudonym import hmac_sm3_under
from hub.domain.rule_input import TOKEN_MEDIA
from hub.journal.clock import FEED as CLOCK_FEED
from hub.journal.reader import Recorded
from hub.words.outcomes import OUTCOME_NUMBERS

_PAGE = 20_000
_DECISION, _ACCEPTED_TIME = "decision_made", "recorded_time_accepted"
_USES = frozenset(OUTCOME_NUMBERS[outcome] for outcome in USES)
# Where what tokens were used is noted, since when.
_TOKENS_SINCE = "0014_redeemed_tokens.sql"


def examine_requests(scene: Scene) -> Iterator[Difference]:
    """Each answer has one request, whose key is bound into the answer, or follows from what it says; no request leads elsewhere."""
    key_of = hmac_sm3_under(scene.keyring.digest) if scene.keyring is not None else None
    if key_of is None:
        scene.checked.left_out.append("早期答复的请求登记：密钥不在此处 requests of older answers: the keys are not here")
    for after, through in scene.pages("requests", _PAGE):
        for answer, asked, request_key, digest, kind, data in scene.rows(_REQUESTS, after=after, through=through, feeds=list(ANSWERING)):
            if answer is None or request_key is None:
                yield Difference("request-missing" if answer else "request-elsewhere", position=answer or asked)
                continue
            for recorded in scene.readable([Recorded(answer, 0, 0, 0, kind, data or b"")]):
                if not _leads(request_key, digest, recorded, key_of):
                    yield Difference("request-elsewhere", position=answer)


def _leads(request_key: bytes, digest: bytes | None, answer: Recorded, key_of: Callable[[bytes], bytes] | None) -> bool:
    """Whether a request key is the one of an answer. Before answers had their digest it follows from some of them alone."""
    if digest is not None:
        return request_key == digest
    if answer.kind == _ACCEPTED_TIME:
        return request_key == f"{CLOCK_FEED}|{microseconds(answer.event.occurred_at)}".encode()
    if answer.kind != _DECISION or key_of is None:
        return True
    decision = answer.event.decision_made
    return request_key == key_of(f"request|{decision.participant}|{decision.request_id}".encode())


def examine_decisions(scene: Scene) -> Iterator[Difference]:
    """Each decision names rules that were published by then, a position that was recorded by then, and its token is noted as used."""
    published = {recorded.event.rules_published.rules_digest: recorded.position for recorded in reversed(scene.decided["rules_published"])}
    # A hub that is older than the rule book answered before there was one.
    begun = min(published.values(), default=scene.head)
    [(stream, tokens_since)] = scene.rows(_SINCE, feed=DECISIONS_FEED, migration=_TOKENS_SINCE)
    for after, through in scene.pages("decisions", _PAGE):
        noted: dict[bytes, int] = dict(scene.rows(_TOKENS, after=after, through=through))
        using: dict[bytes, int] = {}
        for recorded in scene.events(after, through, (_DECISION,)):
            if recorded.stream_id != stream:
                continue
            position, decision = recorded.position, recorded.event.decision_made
            if position > begun and published.get(decision.rules_digest, position) >= position:
                yield Difference("decision-rules", position=position, rules=decision.rules_digest.hex()[:12])
            if decision.as_of_position >= position:
                yield Difference("decision-basis", position=position, basis=decision.as_of_position)
            if (token := _token_used(recorded)) and recorded.recorded_us >= tokens_since:
                using.setdefault(token, position)
        yield from _compared(scene, noted, using)


def _token_used(recorded: Recorded) -> bytes:
    """Returns the key of the token that a decision used, b"" if it used none."""
    event, decision = recorded.event, recorded.event.decision_made
    uses = event.medium in TOKEN_MEDIA and decision.outcome in _USES and not decision.operator
    return decision.subject_refs.token.key if uses else b""


def _compared(scene: Scene, noted: dict[bytes, int], using: dict[bytes, int]) -> Iterator[Difference]:
    """Compares what is noted of a page's tokens with the first decision that used each; what was used before is noted before."""
    for token, position in noted.items():
        if using.get(token) != position:
            yield Difference("token-added", position=position)
    if unnoted := {token: position for token, position in using.items() if token not in noted}:
        first: dict[bytes, int] = dict(scene.rows(_NOTED, tokens=list(unnoted)))
        for token, position in unnoted.items():
            if first.get(token, position) >= position:
                yield Difference("token-missing", position=position)


# What agrees by the answer's digest is not even returned.
_REQUESTS = """
    SELECT e.position, r.position, r.request_key, e.digest, e.kind, CASE WHEN e.digest IS NULL THEN e.data END
    FROM (SELECT * FROM journal.history WHERE position > %(after)s AND position <= %(through)s
          AND stream_id = ANY (ARRAY(SELECT stream_id FROM journal.stream WHERE is_feed AND name = ANY (%(feeds)s)))) e
    FULL JOIN (SELECT * FROM journal.request WHERE position > %(after)s AND position <= %(through)s) r USING (position)
    WHERE e.position IS NULL OR r.position IS NULL OR e.digest IS DISTINCT FROM r.request_key"""
_SINCE = """
    SELECT (SELECT stream_id FROM journal.stream WHERE is_feed AND name = %(feed)s),
           (SELECT (extract(epoch FROM applied_at) * 1000000)::bigint FROM public.hub_migration WHERE name = %(migration)s)"""
_TOKENS = "SELECT token_key, position FROM journal.redeemed_token WHERE position > %(after)s AND position <= %(through)s"
_NOTED = "SELECT token_key, position FROM journal.redeemed_token WHERE token_key = ANY (%(tokens)s)"
