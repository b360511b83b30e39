"""What the witnesses' lines are worth: each is judged by the policy that the hub was given, one witness once however many keys it has."""

from typing import NamedTuple

import psycopg

from hub.audit import sealed
from hub.audit.log_overview import WitnessState, witness_states
from hub.audit.outcome import Text
from hub.domain.errors import HubError
from hub.domain.instants import microseconds_of
from hub.tlog.cosignatures import check_note
from hub.tlog.policy import NONE, Party, Policy

HOLDS = Text("签名经策略核验", "its line holds by the policy")
_NO_POLICY = Text("未核验：枢纽没有策略", "not judged: the hub has no policy")
_STRANGE = Text("未核验：策略中没有", "not judged: not in the policy")
_WRONG = Text("签名不成立", "its line does not hold")
_OVER = Text("密钥在此大小不作数", "its key does not count at this size")


class Witness(NamedTuple):
    """A witness by the name that all its keys have, the largest size that it cosigned, when that was, and what the line is worth."""

    name: str
    size: int
    at_us: int
    worth: Text


class Witnessed(NamedTuple):
    """The witnesses, and up to which size the quorum of the policy is met; *quorum* is "" without a policy."""

    witnesses: tuple[Witness, ...]
    quorum: str
    size: int

    @property
    def said(self) -> tuple[Text, ...]:
        """What was verified."""
        return tuple(
            Text(
                f"见证 {one.name} 联署至大小 {one.size:,}，{one.worth.zh}。",
                f"Witness {one.name} cosigned up to size {one.size:,}: {one.worth.en}.",
            )
            for one in self.witnesses
            if one.worth == HOLDS
        )

    @property
    def limits(self) -> tuple[Text, ...]:
        """What was not."""
        found = [
            Text(f"见证 {one.name}：{one.worth.zh}。", f"Witness {one.name}: {one.worth.en}.")
            for one in self.witnesses
            if one.worth != HOLDS
        ]
        if self.quorum and self.quorum != NONE and not self.size:
            found.append(
                Text(
                    f"没有检查点达到策略的见证人数 {self.quorum}。", f"No checkpoint is cosigned as the policy's quorum {self.quorum} asks."
                )
            )
        return tuple(found)


def witnessed(connection: psycopg.Connection, policy: Policy | None) -> Witnessed:
    """Judges the newest line of each witness, and finds the newest checkpoint that the policy takes."""
    best: dict[str, Witness] = {}
    for state in witness_states(connection):
        found = _judged(connection, state, policy)
        # A line that holds is worth more than a larger one that does not.
        if found.name not in best or (found.worth == HOLDS, found.size) > (best[found.name].worth == HOLDS, best[found.name].size):
            best[found.name] = found
    size = 0
    if policy is not None and policy.quorum != NONE:
        try:
            size = sealed.newest_under(connection, policy).size
        except HubError:
            size = 0
    return Witnessed(tuple(best.values()), "" if policy is None else policy.quorum, size)


def _judged(connection: psycopg.Connection, state: WitnessState, policy: Policy | None) -> Witness:
    party = None if policy is None else _party(policy, state.name)
    name, at_us = state.name if party is None else party.key.name, microseconds_of(state.at)
    if policy is None or party is None:
        return Witness(name, state.size, at_us, _NO_POLICY if policy is None else _STRANGE)
    if not policy.counts(party.key, state.size):
        return Witness(name, state.size, at_us, _OVER)
    try:
        signed = check_note(sealed.at_size(connection, state.size).note, party.key)
    except HubError:
        return Witness(name, state.size, at_us, _WRONG)
    return Witness(name, state.size, signed.signed_s * 1_000_000, HOLDS)


def _party(policy: Policy, name: str) -> Party | None:
    own = policy.witnesses.get(name)
    return own or next((party for party in policy.witnesses.values() if party.key.name == name), None)
