"""Which new passwords are good enough: their length and what attackers try first, nothing else.

After NIST SP 800-63B and OWASP ASVS 2.1: a minimum length, no rules about which characters, no
expiry, a list of known passwords, and no credit for words that belong to the account.
"""

import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from headrace_auth.domain.fields import check_password_length
from headrace_auth.domain.refusals import invalid_field

DEFAULT_MINIMUM_LENGTH = 12
PRODUCT = "headrace"
SHORTEST_WORD = 4
"""Shorter ones stand in other words by chance: `ann` in `planning`."""
DECORATION = string.digits + string.punctuation + string.whitespace


def normalize_password(password: str) -> str:
    """NFC, as in RFC 8265's OpaqueString, so that every keyboard's way to type `é` is the same.

    NIST SP 800-63B names NFKC, which also makes one of characters that people tell apart.
    """
    return unicodedata.normalize("NFC", password)


def check_new_password(
    password: str,
    *,
    minimum_length: int = DEFAULT_MINIMUM_LENGTH,
    is_breached: Callable[[str], bool],
    about: Iterable[str] = (),
    param: str = "password",
) -> None:
    """Raises INVALID_FIELD (`param`), and what `is_breached` raises.

    Length counts characters (code points) of the normal form, of at most 1024 that were sent. What
    is repeated counts once, and words of the account not at all: `about` holds its e-mail address
    and whatever else a stranger would try. That refuses `headrace2026!` without refusing each long
    phrase that happens to contain a word, which NIST SP 800-63B advises against.
    """
    normal = normalize_password(check_password_length(password, param))
    if len(_without_repetition(normal)) < minimum_length:
        raise invalid_field(
            param, f"must have at least {minimum_length} characters, repetitions not counted"
        )
    if len(_without_words(normal.casefold(), about)) < minimum_length:
        raise invalid_field(
            param,
            f"must have at least {minimum_length} characters beside your e-mail address"
            f" and the name {PRODUCT.title()}",
        )
    if is_breached(normal):
        raise invalid_field(param, "is one of those that attackers try first")


def spellings(password: str) -> Iterator[str]:
    """The listed passwords that this one may hide, in lower case.

    Lists hold short ones; to reach a minimum length people add digits and punctuation or begin
    again: `Password-2026!`, `dragondragon`, `123456789012`. All of that costs an attacker nothing.
    """
    folded = normalize_password(password).casefold()
    bare = folded.strip(DECORATION) or folded
    repeated = bare[: _period(bare)]
    yield from dict.fromkeys((folded, bare, repeated, repeated.strip(DECORATION)))


def _without_words(folded: str, about: Iterable[str]) -> str:
    words = {PRODUCT}
    for text in about:
        word = normalize_password(text).casefold()
        words |= {word, word.partition("@")[0]}
    # The longest first: an address goes before the local part that it contains.
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= SHORTEST_WORD:
            folded = folded.replace(word, "")
    return folded


def _without_repetition(text: str) -> str:
    period = _period(text)
    # A period beyond the half is chance: a text that ends with its first letter has one.
    return text[:period] if period * 2 <= len(text) else text


def _period(text: str) -> int:
    """The smallest distance at which `text` repeats itself; its length if it does not."""
    return next((n for n in range(1, len(text)) if text.startswith(text[n:])), len(text))
