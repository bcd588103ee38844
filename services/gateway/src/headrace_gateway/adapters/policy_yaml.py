"""Reads guard policies from YAML; a fault names the line, the field and the rule."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast, get_args

from headrace_gateway.adapters.yaml_reader import YamlReader
from headrace_gateway.domain.detectors import DETECTORS, Detector
from headrace_gateway.domain.guard import DEFAULT_WINDOW, GuardPolicy
from headrace_gateway.domain.patterns import Pattern, PatternError
from headrace_gateway.domain.policy_book import Place, PolicyBook
from headrace_gateway.domain.rules import BOTH_SIDES, Action, LengthRule, Rule, Side

FORMAT_VERSION = 1
SMALLEST_WINDOW, LARGEST_WINDOW = 64, 16_384
MAXIMUM_RULES = 200
MAXIMUM_PATTERN_CHARACTERS = 500
MAXIMUM_PATTERNS = 1000
"""Of one list: so many take about a second to compile, during which nothing else is done."""
DEFAULT = "default"
KINDS = ("detector", "deny", "maximum_characters")
IDENTIFIER = re.compile(r"[a-z][a-z0-9-]{0,62}")
IDENTIFIER_RULE = "must be a letter and up to 62 more of a-z, 0-9 and -"

T = TypeVar("T")


def read_policies(text: bytes, source: str, *, maximum_prompt_characters: int) -> PolicyBook:
    """The policies of a file called `source`; raises FileFaultError."""
    reader = YamlReader(source)
    top = reader.fields(
        reader.parse(text),
        "file",
        ("version", "policies", "assignments"),
        required=("version", "policies"),
    )
    reader.whole_number(top["version"], "version", FORMAT_VERSION, FORMAT_VERSION)
    policies = {
        name: _policy(reader, node, f"policies.{name}", maximum_prompt_characters)
        for name, node in reader.mapping(top["policies"], "policies").items()
    }
    if DEFAULT not in policies:
        raise reader.fault(top["policies"], "policies", f"must have one called {DEFAULT}")
    assigned: dict[Place, GuardPolicy] = {}
    if "assignments" in top:
        for item, name in reader.items(top["assignments"], "assignments"):
            place, policy = _assignment(reader, item, name, policies)
            if place in assigned:
                raise reader.fault(item, name, "is for the same as one before it")
            assigned[place] = policy
    return PolicyBook(policies[DEFAULT], assigned)


def _policy(
    reader: YamlReader, node: Any, name: str, maximum_prompt_characters: int
) -> GuardPolicy:
    fields = reader.fields(node, name, ("rules", "window"), required=("rules",))
    window = DEFAULT_WINDOW
    if "window" in fields:
        window = reader.whole_number(
            fields["window"], f"{name}.window", SMALLEST_WINDOW, LARGEST_WINDOW
        )
    rules: list[Rule] = []
    lengths: list[LengthRule] = []
    known: set[str] = set()
    items = reader.items(fields["rules"], f"{name}.rules")
    if len(items) > MAXIMUM_RULES:
        raise reader.fault(node, f"{name}.rules", f"must not be more than {MAXIMUM_RULES}")
    for item, its_name in items:
        rule = _rule(reader, item, its_name)
        if rule.id in known:
            raise reader.fault(item, f"{its_name}.id", f"{rule.id} is there twice")
        known.add(rule.id)
        if isinstance(rule, Rule):
            rules.append(rule)
        else:
            lengths.append(rule)
    return _checked(
        reader,
        fields["rules"],
        f"{name}.rules",
        lambda: GuardPolicy(
            rules,
            lengths=lengths,
            window=window,
            maximum_prompt_characters=maximum_prompt_characters,
        ),
    )


def _rule(reader: YamlReader, node: Any, name: str) -> Rule | LengthRule:
    known = ("id", "action", "sides", "allow", "ignore_case", *KINDS)
    fields = reader.fields(node, name, known, required=("id", "action"))
    kinds = [kind for kind in KINDS if kind in fields]
    if len(kinds) != 1:
        raise reader.fault(node, name, f"must have exactly one of {', '.join(KINDS)}")
    identifier = reader.matching(fields["id"], f"{name}.id", IDENTIFIER, IDENTIFIER_RULE)
    action = cast(Action, reader.one_of(fields["action"], f"{name}.action", get_args(Action)))
    sides = _sides(reader, fields, name)
    if kinds == ["maximum_characters"]:
        for other in ("allow", "ignore_case"):
            if other in fields:
                raise reader.fault(fields[other], f"{name}.{other}", "is not for lengths")
        if action == "mask":
            raise reader.fault(fields["action"], f"{name}.action", "a length cannot be masked")
        most = reader.whole_number(
            fields["maximum_characters"], f"{name}.maximum_characters", 1, 10**9
        )
        return LengthRule(identifier, "block" if action == "block" else "flag", most, sides)
    detector = _detector(reader, fields, name)
    allow = _patterns(reader, fields["allow"], f"{name}.allow") if "allow" in fields else ()
    return _checked(
        reader,
        fields[kinds[0]],
        f"{name}.{kinds[0]}",
        lambda: Rule(identifier, action, detector, sides, allow),
    )


def _sides(reader: YamlReader, fields: Mapping[str, Any], name: str) -> tuple[Side, ...]:
    if "sides" not in fields:
        return BOTH_SIDES
    items = reader.some(fields["sides"], f"{name}.sides")
    told = [reader.one_of(item, its_name, BOTH_SIDES) for item, its_name in items]
    return tuple(side for side in BOTH_SIDES if side in told)


def _detector(reader: YamlReader, fields: Mapping[str, Any], name: str) -> Detector:
    if "detector" in fields:
        if "ignore_case" in fields:
            rule = "is for deny; a detector knows by itself"
            raise reader.fault(fields["ignore_case"], f"{name}.ignore_case", rule)
        known = reader.one_of(fields["detector"], f"{name}.detector", tuple(DETECTORS))
        return DETECTORS[known]
    patterns = _patterns(reader, fields["deny"], f"{name}.deny")
    ignore_case = False
    if "ignore_case" in fields:
        ignore_case = reader.truth(fields["ignore_case"], f"{name}.ignore_case")
    return Detector("|".join(patterns), ignore_case=ignore_case)


def _patterns(reader: YamlReader, node: Any, name: str) -> tuple[str, ...]:
    """Each as a group of its own, checked, so that the fault is the right line's."""
    patterns = []
    items = reader.some(node, name)
    if len(items) > MAXIMUM_PATTERNS:
        raise reader.fault(node, name, f"must not have more than {MAXIMUM_PATTERNS}")
    for item, its_name in items:
        text = reader.text(item, its_name)
        if len(text) > MAXIMUM_PATTERN_CHARACTERS:
            rule = f"must not have more than {MAXIMUM_PATTERN_CHARACTERS} characters"
            raise reader.fault(item, its_name, rule)
        _checked(reader, item, its_name, partial(Pattern, text))
        patterns.append(f"(?:{text})")
    return tuple(patterns)


def _assignment(
    reader: YamlReader, node: Any, name: str, policies: Mapping[str, GuardPolicy]
) -> tuple[Place, GuardPolicy]:
    known = ("organization", "model", "policy")
    fields = reader.fields(node, name, known, required=("policy",))
    if len(fields) == 1:
        raise reader.fault(node, name, "must have organization, model or both")
    policy = reader.one_of(fields["policy"], f"{name}.policy", tuple(policies))
    places = [
        reader.text(fields[key], f"{name}.{key}") if key in fields else None
        for key in ("organization", "model")
    ]
    return (places[0], places[1]), policies[policy]


def _checked(reader: YamlReader, node: Any, name: str, make: Callable[[], T]) -> T:
    """What `make` makes; a pattern that cannot be used is this node's fault."""
    try:
        return make()
    except PatternError as error:
        raise reader.fault(node, name, str(error)) from error
