"""What the consent page says: scopes in words, destinations in words, failures in words."""

import re
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.http.errors import OURS_TO_RETRY

SCOPES_IN_WORDS = MappingProxyType(
    {
        "llm:invoke": "send prompts to models and read the answers, at your organization's expense",
        "llm:trace": "see how the gateway decides about each of its requests",
        "models:read": "see which models you can use",
        "keys:read": "see API keys, without their secrets",
        "keys:write": "replace and revoke API keys",
        "account:read": "see who you are: your name, e-mail address and organizations",
        "account:write": "change your account",
        "organization:read": "see your organization: its teams, people and roles",
        "organization:write": "change your organization: its teams, people and roles",
        "limits:read": "see limits, budgets and prices",
        "limits:write": "set limits and budgets",
        "clients:read": "see which applications your organization has registered",
        "clients:write": "revoke applications of your organization",
        "platform:write": "administer this whole installation, all organizations included",
    }
)
_SENTENCES = MappingProxyType(
    {
        Reason.CREDENTIAL_MISSING: "Type your e-mail address and your password.",
        Reason.SECOND_FACTOR_REQUIRED: (
            "This account has a second factor: type your password and its code."
        ),
    }
)


def scope_in_words(scope: str) -> str:
    """What a scope lets somebody do; a new one that has no words yet keeps its name."""
    return SCOPES_IN_WORDS.get(scope, scope)


def destination_in_words(redirect_uri: str) -> str:
    """Where the person will be sent, so that a wrong place can be noticed."""
    scheme, _, rest = redirect_uri.partition(":")
    if scheme == "https":
        return re.split(r"[/?]", rest.removeprefix("//"), maxsplit=1)[0]
    if scheme == "http":
        return "a program on this computer"
    return f"an app on this device ({scheme})"


def request_error_in_words(location: str) -> str:
    """What an application would hear at `location` (RFC 6749, section 4.1.2.1)."""
    # Ours come behind what the registered address may have of its own.
    told = dict(parse_qsl(urlsplit(location).query))
    description = told.get("error_description", told.get("error", "unknown"))
    return f"The application asked in a wrong way: {description}."


def failure_in_words(error: HeadraceError) -> str:
    """Why a person could not get on, and what to do."""
    if error.kind in OURS_TO_RETRY:
        return "Headrace cannot answer right now. Try again in a moment."
    return _SENTENCES.get(error.reason, error.message)
