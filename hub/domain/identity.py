"""What identifies a person or a card: is it well formed, what does it say, how may it be shown.

Checks return None or a short reason that never holds the value, so that a reason may go into the journal and the logs.
Whether a county exists is never asked: numbers are given at first registration and outlive their county, and the first
two digits do not name the issuing province [P]. Every function answers any string and raises nothing.
Numbers: GB 11643 [K-h]; cards: the data items AAZ500 and AAZ501 as public code has them [S3]; documents [K-m], 90 [S4];
GB/T 2261.1 is the code of sex.
"""

import re
import unicodedata
from datetime import date
from operator import mul

# ISO 7064 MOD 11-2 (GB 11643). The weights meet ASCII bytes, not digits: that adds 48 times their sum to every total, which
# the table of check digits takes back. It spares 17 conversions a number on the hot path.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "".join("10X98765432"[(total - 48 * sum(_WEIGHTS)) % 11] for total in range(11))

_SEVENTEEN_DIGITS = re.compile(r"[0-9]{17}")
# Citizens, residents from Hong Kong, Macao and Taiwan (8), permanent residents since 2023-12 (9): one shape.
_PERSON_NUMBER = re.compile(r"[1-9][0-9]{16}[0-9X]")
_OLD_PERMANENT_RESIDENT = re.compile(r"[A-Z]{3}[0-9]{12}")
_PASSPORT_FORM = re.compile(r"[A-Z]{3}0[A-Z0-9]{14}")
_FIFTEEN_DIGITS = re.compile(r"[0-9]{15}")
_CARD_NO = re.compile(r"[A-Z0-9]{9}")
_CARD_IDENT_CODE = re.compile(r"[0-9A-F]{32}")
_TRANSIT_CARD_NO = re.compile(r"[0-9]{19}")
_BANK_ACCOUNT = re.compile(r"[0-9]{16,19}")
_HALF_WIDTH = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
# What keyboards and code pages have for the interpunct of a name (间隔号): full stops, bullets, operators, the Japanese middle dots.
_INTERPUNCTS = re.compile("[.·•‧∙⋅⸱・･。．•◦●᛫ꞏ]")
_CHINESE = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_PLACEHOLDER = re.compile(r"[^A-Z0-9]*|.{0,3}|(.)\1*|[A-Z]*")
_SIGN_NO = re.compile(r"[!-~]{1,64}")
_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_DOUBLED = str.maketrans("0123456789", "0246813579")  # Luhn: twice the digit, its own digits added up.

# By AAC058 code [K-m]; length and characters only. Officers' and relatives' papers carry Chinese characters.
_CHINESE_PAPER = re.compile(r"[A-Z0-9一-鿿()（）〔〕\[\]-]{4,30}")
_OTHER_PAPERS = dict.fromkeys(("02", "03", "10", "11", "12"), _CHINESE_PAPER) | {
    "04": re.compile(r"[A-Z0-9]{9,11}"),
    "05": re.compile(r"[A-Z0-9]{9,11}"),
    "06": re.compile(r"[A-Z0-9()]{8,13}"),
    "07": re.compile(r"[A-Z0-9]{15}|[A-Z0-9]{18}"),
    "08": re.compile(r"[A-Z0-9]{5,17}"),
    "90": re.compile(r"[A-Z0-9]{9}|[A-Z0-9]{15}|[A-Z0-9]{18}|[A-F0-9]{32}"),
    "99": re.compile(r"[^\x00-\x1f\x7f]{1,64}"),
}
_DISABILITY_SUFFIX = re.compile(r"[1-7][1-4](?:B[0-9])?")


def check_digit(first17: str) -> str:
    """Returns the MOD 11-2 check digit of 17 digits, or an empty string for anything else (GB 11643)."""
    if not _SEVENTEEN_DIGITS.fullmatch(first17):
        return ""
    return _CHECK_DIGITS[sum(map(mul, first17.encode(), _WEIGHTS)) % 11]


def normalize_ssn(ssn: str) -> str:
    """Returns the number with its letters in upper case, as it is stored: a lower-case x is common at the edge."""
    return ssn.upper() if ssn.isascii() else ssn


def social_security_number_problem(ssn: str) -> str | None:
    """Returns why the string is no 社会保障号码 (AAC002), or None if it is acceptable.

    Old permanent-resident and passport forms have no check that is known: their shape is enough.
    """
    number = normalize_ssn(ssn)
    problem = _person_number_problem(number)
    if problem and (_OLD_PERMANENT_RESIDENT.fullmatch(number) or _PASSPORT_FORM.fullmatch(number)):
        return None
    return problem


def _shape_problem(value: str, shape: re.Pattern[str], shortest: int, longest: int) -> str | None:
    """Returns what keeps the value from its shape, its length or its characters, or None."""
    if shape.fullmatch(value):
        return None
    return "CHARSET" if shortest <= len(value) <= longest else "LENGTH"


def _person_number_problem(number: str) -> str | None:
    """Returns why the normalised string is no 18-digit number with birth date and check digit, or None."""
    if problem := _shape_problem(number, _PERSON_NUMBER, 18, 18):
        return "FIFTEEN_DIGITS" if _FIFTEEN_DIGITS.fullmatch(number) else problem
    if _date_of_birth(number) is None:
        return "BIRTH_DATE"
    return None if check_digit(number[:17]) == number[17] else "CHECK_DIGIT"


def _date_of_birth(person_number: str) -> date | None:
    """Returns the date in digits 7 to 14 of a number of the right shape, or None if there is no such day since 1800."""
    if person_number[6:8] not in ("18", "19", "20"):
        return None
    try:
        return date.fromisoformat(person_number[6:14])
    except ValueError:
        return None


def birth_date(ssn: str) -> date | None:
    """Returns the birth date that an acceptable number gives, or None: passport and old forms give none."""
    number = normalize_ssn(ssn)
    return None if _person_number_problem(number) else _date_of_birth(number)


def sex(ssn: str) -> str:
    """Returns the GB/T 2261.1 code that an acceptable number gives: 1 male, 2 female, 0 unknown."""
    if _person_number_problem(normalize_ssn(ssn)):
        return "0"
    return "1" if ssn[16] in "13579" else "2"


def region_prefix(ssn: str) -> str | None:
    """Returns the six digits of first registration, or None: never the issuing province [P], never one for a 9."""
    return None if ssn.startswith("9") or _person_number_problem(normalize_ssn(ssn)) else ssn[:6]


def id_number_problem(id_type: str, id_no: str) -> str | None:
    """Returns why the string is no number of the identity document type (AAC058), or None if it is acceptable."""
    number = normalize_ssn(id_no)
    if id_type == "01" or (id_type == "07" and number.startswith("9") and len(number) == 18):
        return _person_number_problem(number)
    if id_type == "09":
        suffix_is_well_formed = _DISABILITY_SUFFIX.fullmatch(number, 18) is not None
        return _person_number_problem(number[:18]) or (None if suffix_is_well_formed else "DISABILITY_SUFFIX")
    shape = _OTHER_PAPERS.get(id_type)
    if shape is None:
        return "ID_TYPE"
    # A placeholder such as "0", "-" or "000000" is on many records, and would make strangers one person.
    return None if shape.fullmatch(number) and not _PLACEHOLDER.fullmatch(number) else "SHAPE"


def card_no_problem(card_no: str) -> str | None:
    """Returns why the string is no 社会保障卡卡号 (AAZ500: nine of A-Z and 0-9), or None."""
    return _shape_problem(card_no, _CARD_NO, 9, 9)


def card_ident_code_problem(code: str) -> str | None:
    """Returns why the string is no 卡识别码 (AAZ501: 16 bytes in upper-case hex), or None."""
    return _shape_problem(code, _CARD_IDENT_CODE, 32, 32)


def transit_card_no_problem(number: str) -> str | None:
    """Returns why the string is no 交通联合 card number, or None; no Luhn, which a public sample fails [S28]."""
    if problem := _shape_problem(number, _TRANSIT_CARD_NO, 19, 19):
        return problem
    return None if number.startswith("310") else "PREFIX"


def bank_account_problem(account: str) -> str | None:
    """Returns why the string is no bank card account (AAE010: 16 to 19 digits, Luhn), or None."""
    if problem := _shape_problem(account, _BANK_ACCOUNT, 16, 19):
        return problem
    digits = account[-1::-2] + account[-2::-2].translate(_DOUBLED)
    return None if (sum(digits.encode()) - 48 * len(digits)) % 10 == 0 else "CHECK_DIGIT"


def sign_no_problem(sign_no: str) -> str | None:
    """Returns why the string is no e-card sign number (opaque, up to 64 visible ASCII characters), or None."""
    return _shape_problem(sign_no, _SIGN_NO, 1, 64)


def mobile_problem(mobile: str) -> str | None:
    """Returns why the string is no mainland mobile number, or None."""
    return _shape_problem(mobile, _MOBILE, 11, 11)


def normalize_name(name: str) -> str:
    """Returns a name in the one form that its key is made of: the same name typed on another system is the same name.

    Half-width letters, one interpunct (U+00B7, as the card has it) for every dot between parts, no blanks in a Chinese name and single
    ones in another, capitals. Characters that look alike but are others stay what they are.
    """
    text = unicodedata.normalize("NFC", name).translate(_HALF_WIDTH)
    parts = [part for part in _INTERPUNCTS.split(text.replace("\u3000", " ")) if part.strip()]
    between = "" if _CHINESE.search(text) else " "
    return "·".join(between.join(part.split()) for part in parts).upper()


def _masked(value: str, head: int, tail: int) -> str:
    """Returns the value with its middle starred, or all of it where that would hide fewer than four characters."""
    hidden = len(value) - head - tail
    if hidden < 4:
        return "*" * len(value)
    return value[:head] + "*" * hidden + value[len(value) - tail :]


def mask_ssn(ssn: str, *, for_operator: bool = False) -> str:
    """Returns the number as it may be shown: 3 + 4 characters, or 6 + 4 to an operator."""
    return _masked(ssn, 6 if for_operator else 3, 4)


def mask_name(name: str) -> str:
    """Returns the name as it may be shown: 张*, 王*明, 阿***丽."""
    if len(name) < 3:
        return name[: len(name) - 1] + "*" * min(len(name), 1)
    return name[0] + "*" * (len(name) - 2) + name[-1]


def mask_mobile(mobile: str) -> str:
    """Returns the number as it may be shown: 138****1234."""
    return _masked(mobile, 3, 4)


def mask_bank_account(account: str) -> str:
    """Returns the account as it may be shown, whatever its length: 6214 **** **** 0007."""
    return f"{account[:4]} **** **** {account[-4:]}" if len(account) >= 12 else "*" * len(account)


def mask_card_no(card_no: str) -> str:
    """Returns the card number as it may be shown: A****5678."""
    return _masked(card_no, 1, 4)


def mask_card_ident_code(code: str) -> str:
    """Returns the code as it may be shown, its issuing region only: 500199…."""
    return f"{code[:6]}…" if len(code) >= 12 else "*" * len(code)
