"""FundService and its commands: a batch to the fen, its rows, payees before they are sent, accounts that gave way; the same in both."""

import json
from pathlib import Path
from typing import Any

import pytest
from chuanyu.exchange.v1 import acceptance_pb2
from chuanyu.exchange.v1 import fund_service_pb2 as protos
from chuanyu.exchange.v1 import fund_service_pb2_grpc as stubs
from chuanyu.exchange.v1.references_pb2 import BankAccountRef, CardIdentifierKind
from google.protobuf.json_format import MessageToDict

from tests.api.test_case_service import caught_up
from tests.api.test_medical_service import apart_from_position, run
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import RunningHub
from tests.messages import name_card, question, registered
from tests.recording import AT_S, fund_batch, fund_row, repointed

DAY_S = 86_400
CARD, CARD_CLOSED = "F00000001", "F00000002"
IDENT = "500199D15600000500112233445566AA"
OLD, NEW = "6217000000000000012", "6217000000000000020"


def clear(event: Any, account: str = "") -> Any:
    """An event as a payer sends it, with card and account in clear."""
    if event.HasField("card"):
        name_card(event.card, CARD, "50")
    message = getattr(event, event.WhichOneof("kind"))
    if account:
        message.account.clear = account
    return event


@pytest.fixture(scope="module")
def seen(chongqing: Province) -> int:
    """A batch of three rows: one paid, one paid to a new account after it came back, one that came back for good."""
    card = registered(CARD)
    alias = card.card_aliases.add(issuing_province="50", kind=CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE)
    alias.clear = IDENT
    known_at = chongqing.tell("cq.card-center", card)
    asking = question("FC-known", CARD, scenario="FND.PAY", region="500103", min_position=known_at)
    caught_up(lambda: chongqing.cards.CheckAcceptance(asking, timeout=DEADLINE_S))
    moved = repointed(OLD, NEW, AT_S + DAY_S)
    moved.fund_account_repointed.from_account.clear, moved.fund_account_repointed.to_account.clear = OLD, NEW
    batch: dict[str, Any] = {"batch_no": "FB1"}
    return chongqing.tell(
        "cq.usage",
        fund_batch("published", "FB1", row_count=3, amount_total_fen=30_000, project_code="GLJT", fiscal_year=2025, period="09"),
        fund_batch("approved", "FB1"),
        fund_batch("sent", "FB1", row_count=3, amount_total_fen=30_000),
        *(clear(fund_row("sent", row, **batch), OLD) for row in (1, 2, 3)),
        fund_row("paid", 1, AT_S + 60, bank_serial="S1", **batch),
        fund_row("returned", 2, AT_S + 60, reason=5, bank_serial="S2", **batch),
        fund_row("returned", 3, AT_S + 60, reason=7, bank_serial="S3", **batch),
        moved,
        clear(fund_row("sent", 2, AT_S + DAY_S, attempt=2, **batch), NEW),
        fund_row("repaid", 2, AT_S + DAY_S + 60, bank_serial="S4", **batch),
        fund_row("returned", 1, AT_S + 60, reason=7, bank_serial="S9", batch_no="FB2"),
        fund_batch("closed", "FB1", AT_S + 2 * DAY_S, paid_total_fen=20_000, returned_total_fen=10_000),
    )


def asked(one: Province, name: str, request: Any) -> Any:
    return caught_up(lambda: getattr(stubs.FundServiceStub(one.channel), name)(request, timeout=DEADLINE_S))


def batch_request(seen: int, **says: Any) -> protos.GetBatchRequest:
    return protos.GetBatchRequest(**{"batch_no": "FB1", "min_position": seen, **says})


def rows_request(seen: int, **says: Any) -> protos.ListRowsRequest:
    return protos.ListRowsRequest(**{"batch_no": "FB1", "min_position": seen, **says})


def test_a_batch_is_closed_to_the_fen(chongqing: Province, seen: int) -> None:
    batch = asked(chongqing, "GetBatch", batch_request(seen)).batch
    rounds = [(one.number, one.sent.amount_fen, one.paid.amount_fen, one.returned.amount_fen) for one in batch.rounds]
    assert rounds == [(1, 30_000, 10_000, 20_000), (2, 10_000, 10_000, 0)]
    assert (batch.state, batch.paid_fen, batch.net_fen, list(batch.findings)) == (protos.FUND_BATCH_STATE_CLOSED, 20_000, 20_000, [])
    assert [(one.iso_code, one.detail) for one in batch.reasons] == [("AC07", ""), ("AC06", "DORMANT")]


def test_rows_are_listed_by_state_and_page_by_page(chongqing: Province, seen: int) -> None:
    [unpaid] = asked(chongqing, "ListRows", rows_request(seen, state=protos.FUND_ROW_STATE_FINAL_UNPAID)).rows
    assert (unpaid.row_no, unpaid.attempts[0].iso_code) == (3, "AC06")
    first = asked(chongqing, "ListRows", rows_request(seen, page_size=2))
    rest = asked(chongqing, "ListRows", rows_request(seen, page_size=2, after_row=first.next_after_row))
    assert ([one.row_no for one in (*first.rows, *rest.rows)], rest.next_after_row) == ([1, 2, 3], 0)


def test_a_row_has_each_attempt_with_its_account(chongqing: Province, seen: int) -> None:
    paid_again = asked(chongqing, "ListRows", rows_request(seen, after_row=1, page_size=1)).rows[0]
    assert [one.outcome for one in paid_again.attempts] == [protos.FUND_ATTEMPT_OUTCOME_RETURNED, protos.FUND_ATTEMPT_OUTCOME_PAID]
    assert len({one.account_key for one in paid_again.attempts}) == 2


def test_an_answer_to_a_batch_that_nobody_sent_is_a_row_with_a_finding(chongqing: Province, seen: int) -> None:
    [row] = asked(chongqing, "ListRows", rows_request(seen, batch_no="FB2", with_findings=True)).rows
    assert [one.code for one in row.findings] == ["RETURN_WITHOUT_SEND"] and row.findings[0].position
    assert not asked(chongqing, "ListRows", rows_request(seen, with_findings=True)).rows
    [first] = asked(chongqing, "ListRows", rows_request(seen, page_size=1)).rows
    assert first.row_no == 1


def test_an_account_that_gave_way_is_found_by_its_number(chongqing: Province, sichuan: Province, seen: int) -> None:
    request = protos.ListAccountChangesRequest(accounts=[BankAccountRef(clear=NEW), BankAccountRef(clear=OLD)], min_position=seen)
    for one in (chongqing, sichuan):
        [change] = asked(one, "ListAccountChanges", request).changes
        assert (change.asked_number, change.province) == (2, "50")
    later = protos.ListAccountChangesRequest(since_position=seen, min_position=seen)
    assert not asked(chongqing, "ListAccountChanges", later).changes


def payees(check_id: str, *cards: str, **says: Any) -> protos.CheckPayeesRequest:
    request = protos.CheckPayeesRequest(
        check_id=check_id, **{"service_region": "500103", "project_code": "GLJT", "period": "2025-10", **says}
    )
    for number, card in enumerate(cards, 1):
        name_card(request.payees.add(row_no=number).card, card, "50")
    return request


def checked(one: Province, *requests: protos.CheckPayeesRequest) -> list[protos.CheckPayeesResponse]:
    return list(stubs.FundServiceStub(one.channel).CheckPayees(iter(requests), timeout=DEADLINE_S))


def test_payees_are_checked_and_each_answer_is_recorded(chongqing: Province, seen: int) -> None:
    [answer] = checked(chongqing, payees("FC1", CARD, "F99999999"))
    reasons = [[reason.code for reason in one.answered.reasons] for one in answer.payees]
    assert reasons == [["ACCOUNT_UNKNOWN"], ["CARD_UNKNOWN"]]
    assert all(one.answered.position for one in answer.payees)
    assert checked(chongqing, payees("FC1", CARD, "F99999999")) == [answer]


def test_a_payee_who_is_in_the_stream_twice_is_a_duplicate(chongqing: Province, seen: int) -> None:
    first, second = checked(chongqing, payees("FC2", CARD), payees("FC3", CARD))
    assert "DUPLICATE" not in [one.code for one in first.payees[0].answered.reasons]
    assert "DUPLICATE" in [one.code for one in second.payees[0].answered.reasons]


def test_a_card_that_is_named_by_two_identifiers_is_one_payee_and_in_another_letter_case_it_is_refused(
    chongqing: Province, seen: int
) -> None:
    request = payees("FC9", CARD, CARD.lower(), CARD)
    request.payees[2].card.kind, request.payees[2].card.clear = CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE, IDENT
    [answer] = checked(chongqing, request)
    assert [one.WhichOneof("result") for one in answer.payees] == ["answered", "refused", "answered"]
    assert "DUPLICATE" in [one.code for one in answer.payees[2].answered.reasons]


def test_a_message_that_comes_again_in_its_stream_gets_the_same_answers(chongqing: Province, seen: int) -> None:
    first, again = checked(chongqing, payees("FC5", CARD), payees("FC5", CARD))
    assert (again, [one.code for one in first.payees[0].answered.reasons]) == (first, ["ACCOUNT_UNKNOWN"])


def test_a_payee_of_another_project_and_period_is_no_duplicate(chongqing: Province, seen: int) -> None:
    one, other = {"project_code": "A|B", "period": "C"}, {"project_code": "A", "period": "B|C"}
    answers = checked(chongqing, payees("FC6", CARD, **one), payees("FC7", CARD, **other))
    assert [[reason.code for reason in answer.payees[0].answered.reasons] for answer in answers] == [["ACCOUNT_UNKNOWN"]] * 2


def test_one_bad_payee_never_holds_up_the_rest(chongqing: Province, seen: int) -> None:
    request = payees("FC4", CARD, "NOT A CARD", CARD)
    request.payees[2].row_no = 9
    [answer] = checked(chongqing, request)
    assert [one.WhichOneof("result") for one in answer.payees] == ["answered", "refused", "answered"]
    assert [one.row_no for one in answer.payees] == [1, 2, 9]
    assert answer.payees[0].answered.outcome != acceptance_pb2.ACCEPTANCE_OUTCOME_UNSPECIFIED


@pytest.mark.parametrize("empty", ["clear", "issuing_province"])
def test_a_payee_whose_card_lacks_something_is_refused_by_itself(chongqing: Province, seen: int, empty: str) -> None:
    request = payees(f"FC8-{empty}", CARD, CARD)
    request.payees[0].card.ClearField(empty)  # type: ignore[arg-type]
    [answer] = checked(chongqing, request)
    assert [one.WhichOneof("result") for one in answer.payees] == ["refused", "answered"]


def test_a_payer_checks_payees_of_its_own_province_alone(sichuan: Province) -> None:
    assert refused(lambda: checked(sichuan, payees("FC5", CARD))).reason == "NOT_PERMITTED"


def test_an_account_that_is_none_is_refused_by_its_place(chongqing: Province) -> None:
    request = protos.ListAccountChangesRequest(accounts=[BankAccountRef(clear=OLD), BankAccountRef(clear=OLD[:-1] + "0")])
    refusal = refused(lambda: asked(chongqing, "ListAccountChanges", request))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("accounts[1].account.clear", "check_digit")])


def test_a_wrong_question_is_refused_in_words(chongqing: Province, sichuan: Province, seen: int) -> None:
    calls = (
        (chongqing, protos.GetBatchRequest(batch_no="FB9"), "FUND_BATCH_NOT_FOUND"),
        (chongqing, protos.GetBatchRequest(), "REQUEST_INVALID"),
        (sichuan, protos.GetBatchRequest(batch_no="FB1", paying_province="50"), "NOT_PERMITTED"),
        (sichuan, protos.GetBatchRequest(batch_no="FB1"), "FUND_BATCH_NOT_FOUND"),
    )
    for one, request, reason in calls:
        assert refused(lambda one=one, request=request: asked(one, "GetBatch", request)).reason == reason  # type: ignore[misc]


def test_the_commands_and_the_service_give_the_same(
    shared_hub: RunningHub, chongqing: Province, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = (
        (("funds", "show", "FB1", "--province", "50"), "GetBatch", batch_request(seen)),
        (("funds", "rows", "FB1", "--province", "50", "--state", "PAID"), "ListRows", rows_request(seen, state=protos.FUND_ROW_STATE_PAID)),
        (("funds", "accounts"), "ListAccountChanges", protos.ListAccountChangesRequest(min_position=seen)),
    )
    for arguments, name, request in pairs:
        expected = MessageToDict(apart_from_position(asked(chongqing, name, request)), preserving_proto_field_name=True)
        result = run(shared_hub, monkeypatch, *arguments, "--json")
        assert result.exit_code == 0, result.output
        printed = json.loads(result.stdout)
        del printed["as_of_position"]
        assert printed == expected


def test_the_screens_say_it_in_both_languages(shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown = run(shared_hub, monkeypatch, "funds", "show", "FB1", "--province", "50").stdout
    assert "已结束 closed" in shown and "最终未发 finally unpaid 1 · 100.00" in shown and "05 账户已销户" in shown
    listed = run(shared_hub, monkeypatch, "funds", "rows", "FB1", "--province", "50", "--reason", "DORMANT").stdout
    assert "最终未发 FINAL_UNPAID" in listed and "1 行 rows" in listed
    assert "1 个账户 accounts" in run(shared_hub, monkeypatch, "funds", "accounts").stdout
    unknown = run(shared_hub, monkeypatch, "funds", "rows", "FB1", "--province", "50", "--state", "GONE")
    assert unknown.exit_code == 2 and "FINAL_UNPAID" in unknown.output
    missing = run(shared_hub, monkeypatch, "funds", "show", "FB9", "--province", "50")
    assert missing.exit_code == 1 and "发放批次" in missing.output
    wrong = tmp_path / "payees.csv"
    wrong.write_text("row,card\n1,A00000001\n", encoding="utf-8")
    unread = run(shared_hub, monkeypatch, "funds", "check", str(wrong), "--check-id", "K1", "--region", "500103")
    assert unread.exit_code == 1 and "row_no,issuer,card_no,account" in unread.output


def test_an_operator_checks_a_list_of_payees(shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listed = tmp_path / "payees.csv"
    listed.write_text("row_no,issuer,card_no,account\n1,50,A00000001,\n2,50,A99999999,\n", encoding="utf-8")
    asked_for = ["funds", "check", str(listed), "--check-id", "K2", "--region", "500103", "--project", "GLJT", "--period", "2026-03"]
    checked = run(shared_hub, monkeypatch, *asked_for, "--target", shared_hub.targets[0], "--json")
    assert checked.exit_code == 0, checked.output
    assert [int(row["row_no"]) for row in json.loads(checked.stdout.splitlines()[-1])["payees"]] == [1, 2]
