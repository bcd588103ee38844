"""Tells cards, accounts and identities from digits that only look like them."""

import re
from collections.abc import Callable
from datetime import date

Check = Callable[[str, str, str], int]
"""Of the character before, a look-alike, and the character behind: how much of it is a real one."""

DIGITS = frozenset("0123456789")
LETTERS_AND_DIGITS = DIGITS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
SEPARATORS = re.compile(r"[^0-9A-Za-z]")

IBAN_LENGTHS = {
    "AD": 24,
    "AE": 23,
    "AL": 28,
    "AT": 20,
    "AZ": 28,
    "BA": 20,
    "BE": 16,
    "BG": 22,
    "BH": 22,
    "BI": 27,
    "BR": 29,
    "BY": 28,
    "CH": 21,
    "CR": 22,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DJ": 27,
    "DK": 18,
    "DO": 28,
    "EE": 20,
    "EG": 29,
    "ES": 24,
    "FI": 18,
    "FK": 18,
    "FO": 18,
    "FR": 27,
    "GB": 22,
    "GE": 22,
    "GI": 23,
    "GL": 18,
    "GR": 27,
    "GT": 28,
    "HN": 28,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IL": 23,
    "IQ": 23,
    "IS": 26,
    "IT": 27,
    "JO": 30,
    "KW": 30,
    "KZ": 20,
    "LB": 28,
    "LC": 32,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "LY": 25,
    "MC": 27,
    "MD": 24,
    "ME": 22,
    "MK": 19,
    "MN": 20,
    "MR": 27,
    "MT": 31,
    "MU": 30,
    "NI": 28,
    "NL": 18,
    "NO": 15,
    "OM": 23,
    "PK": 24,
    "PL": 28,
    "PS": 29,
    "PT": 25,
    "QA": 29,
    "RO": 24,
    "RS": 22,
    "RU": 33,
    "SA": 24,
    "SC": 31,
    "SD": 18,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "SO": 23,
    "ST": 25,
    "SV": 28,
    "TL": 23,
    "TN": 24,
    "TR": 26,
    "UA": 29,
    "VA": 22,
    "VG": 24,
    "XK": 20,
    "YE": 30,
}
"""Characters of an account number by country (ISO 13616, SWIFT's IBAN registry)."""

RESIDENT_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
RESIDENT_ID_CHECKS = "10X98765432"
PROVINCES = frozenset(
    {
        *("11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37"),
        *("41", "42", "43", "44", "45", "46", "50", "51", "52", "53", "54"),
        *("61", "62", "63", "64", "65", "71", "81", "82", "83", "91"),
    }
)


def payment_card(before: str, text: str, behind: str) -> int:
    """13 to 19 digits with Luhn's check digit (ISO/IEC 7812); a last group may belong elsewhere.

    Behind a point it is a fraction: one in ten of those that have its length has its check digit.
    """
    if before == ".":
        return 0
    while text:
        digits = SEPARATORS.sub("", text)
        if 13 <= len(digits) <= 19 and behind not in DIGITS and _luhn(digits):
            return len(text)
        groups = SEPARATORS.split(text)
        behind = text[-len(groups[-1]) - 1 :][:1]
        text = text[: -len(groups[-1]) - 1]
    return 0


def iban(before: str, text: str, behind: str) -> int:
    """As long as its country says, with the remainder 1 (ISO 7064, MOD 97-10)."""
    wanted = IBAN_LENGTHS.get(text[:2])
    if wanted is None or before in LETTERS_AND_DIGITS:
        return 0
    places = [at for at, character in enumerate(text) if character in LETTERS_AND_DIGITS]
    if len(places) < wanted:
        return 0
    end = places[wanted - 1] + 1
    if (text[end : end + 1] or behind) in LETTERS_AND_DIGITS:
        return 0
    account = SEPARATORS.sub("", text[:end])
    number = "".join(str(int(character, 36)) for character in account[4:] + account[:4])
    return end if int(number) % 97 == 1 else 0


def resident_id(before: str, text: str, behind: str) -> int:
    """A Chinese resident's number (GB 11643): a province, a date of birth, ISO 7064 MOD 11-2."""
    if before in LETTERS_AND_DIGITS or behind in LETTERS_AND_DIGITS or text[:2] not in PROVINCES:
        return 0
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return 0
    total = sum(int(d) * weight for d, weight in zip(text[:17], RESIDENT_ID_WEIGHTS, strict=True))
    return len(text) if RESIDENT_ID_CHECKS[total % 11] == text[17].upper() else 0


def stands_alone(before: str, text: str, behind: str) -> int:
    """Neither a letter nor a digit before it, and no digit behind it."""
    return 0 if before in LETTERS_AND_DIGITS or behind in DIGITS else len(text)


def mixes_letters_and_digits(_before: str, text: str, _behind: str) -> int:
    """What made-up secrets do, and words and names of variables do not."""
    value = re.split(r"[:=\uff1a]", text, maxsplit=1)[-1]
    kinds = {character.isdigit() for character in value if character in LETTERS_AND_DIGITS}
    return len(text) if len(kinds) == 2 else 0


def _luhn(digits: str) -> bool:
    total = sum(map(int, digits[-1::-2]))
    total += sum((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0
