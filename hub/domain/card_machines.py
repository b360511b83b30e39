"""The five machines of a card as tables [S3][S12][S22][S32]: which fact leads from which states to which, and what is less usable.

`card` folds facts by them and `hub machines` draws them. A fact that its table does not allow is a finding; it changes the state only
to one that can do less.
"""

from typing import NamedTuple

# A fact may lead back to where the life was before, or leave the state as it is.
BACK, SAME = "(back)", "(same)"


class Step(NamedTuple):
    """One row: the states a fact is reported from (none: from any) and the state it leads to."""

    sources: frozenset[str]
    target: str
    row: str = ""


class Life(NamedTuple):
    """One machine. *less_usable* ranks the states that restrict: a fact out of order may only move the life up in this order."""

    name: str
    title_zh: str
    title_en: str
    initial: str
    steps: dict[str, Step]
    less_usable: tuple[str, ...]
    finding: str


def _from(*states: str) -> frozenset[str]:
    return frozenset(states)


ANY: frozenset[str] = frozenset()

# A card that is not known yet may begin with any of these facts. A key with a word after the kind is that kind with that outcome.
SOCIAL = Life(
    name="social_status",
    title_zh="社保功能",
    title_en="social function",
    initial="",
    steps={
        "card_applied": Step(_from("REJECTED"), "APPLIED", "L1"),
        "application_rejected": Step(_from("APPLIED"), "REJECTED", "L2"),
        "production_batched": Step(_from("APPLIED", "PRODUCTION_FAILED"), "IN_PRODUCTION", "L3"),
        "production_returned": Step(_from("APPLIED", "IN_PRODUCTION"), "PRODUCED", "L4"),
        "production_returned failed": Step(_from("APPLIED", "IN_PRODUCTION"), "PRODUCTION_FAILED", "L4"),
        "card_returned": Step(_from("PRODUCED"), "RETURNED", "L4"),
        "card_handed_over": Step(_from("IN_PRODUCTION", "PRODUCED", "RETURNED"), "SEALED", "L5"),
        "social_function_activated": Step(_from("SEALED", "PRODUCED"), "ACTIVE", "L6"),
        "temporary_loss_reported": Step(_from("ACTIVE", "APP_LOCKED"), "TEMP_LOST", "L7"),
        "temporary_loss_expired": Step(_from("TEMP_LOST"), BACK, "L8"),
        "formal_loss_reported": Step(_from("ACTIVE", "TEMP_LOST", "APP_LOCKED", "SEALED"), "FORMALLY_LOST", "L9"),
        "loss_released": Step(_from("TEMP_LOST", "FORMALLY_LOST"), BACK, "L10"),
        "app_locked": Step(_from("ACTIVE"), "APP_LOCKED", "L11"),
        "app_unlocked": Step(_from("APP_LOCKED"), BACK, "L12"),
        "reissue_applied": Step(_from("FORMALLY_LOST"), SAME, "L13"),
        "replacement_applied": Step(_from("ACTIVE"), SAME, "L14"),
        "card_superseded": Step(_from("ACTIVE", "FORMALLY_LOST"), "CANCELLED", "L15"),
        "card_cancelled": Step(ANY, "CANCELLED", "L16"),
        "holder_data_corrected": Step(ANY, SAME, "L17"),
        "insured_region_moved": Step(ANY, SAME, "L18"),
    },
    less_usable=("TEMP_LOST", "APP_LOCKED", "FORMALLY_LOST", "REJECTED", "CANCELLED"),
    finding="SOCIAL_OUT_OF_ORDER",
)

_HELD = ("ORAL_LOSS", "FORMAL_LOSS", "STOPPED", "FROZEN")
# What restricts an account restricts it at once with the others: a bank releases a loss, the account stays frozen.
BANK = Life(
    name="bank_account_status",
    title_zh="金融账户",
    title_en="bank account",
    initial="NONE",
    steps={
        "bank_account_opened": Step(_from("NONE"), "OPENED_INACTIVE"),
        "bank_account_activated": Step(_from("OPENED_INACTIVE"), "ACTIVE"),
        "bank_account_oral_loss_reported": Step(_from("OPENED_INACTIVE", "ACTIVE", "STOPPED", "FROZEN"), "ORAL_LOSS"),
        "bank_account_formal_loss_reported": Step(_from("OPENED_INACTIVE", "ACTIVE", "ORAL_LOSS", "STOPPED", "FROZEN"), "FORMAL_LOSS"),
        "bank_account_loss_released": Step(_from("ORAL_LOSS", "FORMAL_LOSS"), BACK),
        "bank_account_frozen": Step(_from("OPENED_INACTIVE", "ACTIVE", "ORAL_LOSS", "FORMAL_LOSS", "STOPPED"), "FROZEN"),
        "bank_account_unfrozen": Step(_from("FROZEN"), BACK),
        "bank_account_stopped": Step(_from("OPENED_INACTIVE", "ACTIVE", "ORAL_LOSS", "FORMAL_LOSS", "FROZEN"), "STOPPED"),
        "bank_account_resumed": Step(_from("STOPPED"), BACK),
        "bank_account_expired": Step(_from("OPENED_INACTIVE", "ACTIVE", *_HELD), "EXPIRED"),
        "bank_account_closed": Step(_from("OPENED_INACTIVE", "ACTIVE", *_HELD, "EXPIRED"), "CLOSED"),
        "finance_loss_requested": Step(_from("OPENED_INACTIVE", "ACTIVE", *_HELD, "EXPIRED"), SAME),
    },
    less_usable=(*_HELD, "EXPIRED", "CLOSED"),
    finding="BANK_OUT_OF_ORDER",
)

TRANSIT = Life(
    name="transit_purse_status",
    title_zh="交通电子钱包",
    title_en="transit purse",
    initial="ABSENT",
    steps={
        "transit_purse_loaded": Step(_from("ABSENT"), "LOADED"),
        "transit_purse_activated": Step(_from("LOADED", "DELISTED"), "ACTIVE"),
        "transit_purse_hotlisted": Step(_from("LOADED", "ACTIVE", "DELISTED"), "HOTLISTED"),
        "transit_purse_delisted": Step(_from("HOTLISTED"), "DELISTED"),
        "transit_purse_migrated": Step(_from("LOADED", "ACTIVE", "HOTLISTED", "DELISTED"), "MIGRATED"),
        "transit_purse_closed": Step(_from("LOADED", "ACTIVE", "HOTLISTED", "DELISTED", "MIGRATED"), "CLOSED"),
        "transit_concession_bound": Step(_from("ABSENT", "LOADED", "ACTIVE", "HOTLISTED", "DELISTED"), SAME),
        "transit_concession_rebound": Step(_from("ABSENT", "LOADED", "ACTIVE", "HOTLISTED", "DELISTED"), SAME),
    },
    less_usable=("HOTLISTED", "MIGRATED", "CLOSED"),
    finding="TRANSIT_OUT_OF_ORDER",
)

PIN = Life(
    name="pin_status",
    title_zh="社保密码",
    title_en="PIN",
    initial="INITIAL",
    steps={
        "pin_set": Step(_from("INITIAL", "SET"), "SET"),
        "pin_verification_failed": Step(_from("INITIAL", "SET"), SAME),
        "pin_verification_failed last": Step(_from("INITIAL", "SET"), "LOCKED"),
        # The issuer's word may follow the hub's own count.
        "pin_locked": Step(_from("INITIAL", "SET", "LOCKED"), "LOCKED"),
        "pin_reset": Step(_from("INITIAL", "SET", "LOCKED"), "SET"),
    },
    less_usable=("LOCKED",),
    finding="PIN_OUT_OF_ORDER",
)

# What the holder agreed to. What the e-card can do follows from that and from the plastic card: MIRRORED.
ECARD = Life(
    name="ecard_status",
    title_zh="电子社保卡",
    title_en="e-card",
    initial="NOT_SIGNED",
    steps={
        # Signed in one app, signed in the next; and an issuer may say "usable again" of what only the plastic card had suspended.
        "ecard_signed": Step(_from("NOT_SIGNED", "SIGNED", "RELEASED"), "SIGNED"),
        "ecard_suspended": Step(_from("SIGNED"), "SUSPENDED"),
        "ecard_resumed": Step(_from("SIGNED", "SUSPENDED", "UNAVAILABLE"), "SIGNED"),
        "ecard_reauthorized": Step(_from("SIGNED", "SUSPENDED"), "SIGNED"),
        "ecard_made_unavailable": Step(_from("SIGNED", "SUSPENDED"), "UNAVAILABLE"),
        "ecard_released": Step(_from("SIGNED", "SUSPENDED", "UNAVAILABLE"), "RELEASED"),
        "ecard_family_linked": Step(_from("SIGNED", "SUSPENDED"), SAME),
        "ecard_family_unlinked": Step(_from("SIGNED", "SUSPENDED", "UNAVAILABLE"), SAME),
    },
    less_usable=("SUSPENDED", "UNAVAILABLE", "RELEASED"),
    finding="ECARD_OUT_OF_ORDER",
)

LIVES = (SOCIAL, BANK, TRANSIT, PIN, ECARD)

# What a signed e-card can do by the state of its plastic card [S14][S15]. In a temporary loss the policy ecardWhileTempLost
# decides: REAUTHORISE leaves it usable once the holder has authorised it again.
MIRRORED = {
    "ACTIVE": "SIGNED",
    "TEMP_LOST": "SUSPENDED",
    "FORMALLY_LOST": "UNAVAILABLE",
    "APP_LOCKED": "UNAVAILABLE",
    "CANCELLED": "UNAVAILABLE",
    "SEALED": "UNAVAILABLE",
    "APPLIED": "UNAVAILABLE",
    "REJECTED": "UNAVAILABLE",
    "IN_PRODUCTION": "UNAVAILABLE",
    "PRODUCTION_FAILED": "UNAVAILABLE",
    "PRODUCED": "UNAVAILABLE",
    "RETURNED": "UNAVAILABLE",
}
