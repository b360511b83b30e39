"""What was done to an altered row is found by trying: each byte of an answer that is changed has its name."""

import os
from dataclasses import replace

import pytest
from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import event_pb2

from hub.audit.fsck.diagnosis import Row, Tries
from hub.bench.tampering.event_kinds import steers

ANSWER = event_pb2.Event()
ANSWER.decision_made.outcome = acceptance.ACCEPTANCE_OUTCOME_ACCEPT
ANSWER.decision_made.as_of_position = 300
ANSWER.decision_made.rules_digest = bytes(range(32))
ANSWER.decision_made.participant = "urn:chuanyu:participant:sc.card-center"
ROW = Row(310, 1_700_000_000_000_000, 5, "hub.decisions", None, "decision_made", os.urandom(32), ANSWER.SerializeToString())


@pytest.mark.parametrize("at", range(len(ROW.data)))
def test_a_byte_of_an_answer_is_named_by_what_it_says_else_by_its_place(at: int) -> None:
    forged = ROW.data[:at] + bytes([ROW.data[at] ^ 1]) + ROW.data[at + 1 :]
    found = Tries({}, (), [bytes(range(32))]).explain(replace(ROW, data=forged), ROW.leaf)
    of_an_answer = {"decision-altered", "decision-rules-altered", "decision-basis-altered"}
    assert found.code in of_an_answer if steers(ROW.data, forged) else (found.code, found.values["was"]) == ("byte-altered", at)
