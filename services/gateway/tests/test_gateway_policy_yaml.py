"""Guard policies in YAML: what they may say, and a fault is told with its line."""

import re
from pathlib import Path

import pytest

from headrace_common.errors import HeadraceError
from headrace_gateway.adapters.policy_file import shipped_policies
from headrace_gateway.adapters.policy_yaml import read_policies
from headrace_gateway.domain.completion import CompletionRequest
from headrace_gateway.domain.detectors import DETECTORS
from headrace_gateway.domain.guard import GuardPolicy, PromptBlockedError
from headrace_gateway.domain.policy_book import PolicyBook

GOOD = r"""
version: 1
policies:
  default:
    rules: []
  strict:
    window: 256
    rules:
      - id: email
        detector: email
        action: mask
        allow: ['[a-z]+@example\.com']
      - id: codenames
        deny: ['project (?:alpha|beta)', 'operation \w{3,20}']
        ignore_case: true
        action: block
        sides: [prompt]
      - id: long
        maximum_characters: 100
        action: flag
assignments:
  - {organization: org_1, policy: strict}
  - {model: small, policy: strict}
  - {organization: org_1, model: free, policy: default}
"""


def read(text: str) -> PolicyBook:
    return read_policies(text.encode(), "guard.yaml", maximum_prompt_characters=1000)


def decided(policy: GuardPolicy, text: str) -> tuple[str, list[str]]:
    request, decisions = policy.check_prompt(CompletionRequest("echo", text))
    assert isinstance(request.input, str)
    return request.input, decisions


def test_rules_do_what_they_say() -> None:
    strict = read(GOOD).policy_for("org_1", "any")
    text, decisions = decided(strict, "bob@example.org, ann@example.com")
    assert text == "[email], ann@example.com"
    assert decisions == ["prompt:email:mask"]
    assert decided(strict, "a" * 101)[1] == ["prompt:long:flag"]
    with pytest.raises(PromptBlockedError, match="codenames"):
        decided(strict, "about PROJECT Beta")
    with pytest.raises(PromptBlockedError, match="codenames"):
        decided(strict, "about operation mongoose")


@pytest.mark.parametrize(
    ("organization", "model", "strict"),
    [
        ("org_1", "any", True),
        ("org_1", "small", True),
        ("org_1", "free", False),
        ("org_2", "small", True),
        ("org_2", "free", False),
    ],
)
def test_the_most_specific_policy_is_in_force(organization: str, model: str, strict: bool) -> None:
    book = read(GOOD)
    policy = book.policy_for(organization, model)
    assert (policy is not book.default) == strict
    assert bool(decided(policy, "bob@example.org")[1]) == strict


def test_the_shipped_file_uses_every_detector() -> None:
    shipped = shipped_policies(maximum_prompt_characters=1000)
    assert shipped.assigned == {}
    file = "version: 1\npolicies:\n  default:\n    rules:\n"
    lines = [f"      - {{id: {name}, detector: {name}, action: flag}}" for name in DETECTORS]
    assert read(file + "\n".join(lines)).default.version != shipped.default.version


def test_the_example_of_the_documents_is_one() -> None:
    text = (Path(__file__).parents[3] / "docs/guardrails.md").read_text()
    [example] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    book = read(example)
    assert len(book.assigned) == 2
    with pytest.raises(PromptBlockedError, match="payment-card"):
        decided(book.policy_for("org_4f2a", "any"), "4111 1111 1111 1111")


RULE = "      - {id: a, deny: [x], action: block}"
HEAD = "version: 1\npolicies:\n  default:\n    rules:\n"


def rule(text: str) -> str:
    return HEAD + "      - " + text


FAULTS = [
    ("", "1: file: is empty"),
    ("a: [", "1: file: is no YAML"),
    ("version: 1\npolicies: {a: 1\n", "3: file: is no YAML"),
    ("[]", "1: file: must be a mapping"),
    ("? [a]\n: b", "1: file: must be text; write it in quotes"),
    ("policies: {}", "1: file.version: is required"),
    ("version: 2\npolicies: {}", "1: version: must be a whole number between 1 and 1"),
    ("version: 1", "1: file.policies: is required"),
    ("version: 1\npolicies: {}", "2: policies: must have one called default"),
    ("version: 1\nrules: []", "2: file.rules: is unknown; known are version, policies"),
    ("version: 1\nversion: 1", "2: file.version: is there twice"),
    ("version: 1\npolicies:\n  default: {}", "3: policies.default.rules: is required"),
    (HEAD + RULE + "\n" + RULE, "6: policies.default.rules[1].id: a is there twice"),
    (rule("x"), "5: policies.default.rules[0]: must be a mapping"),
    (rule("{deny: [x], action: block}"), "5: policies.default.rules[0].id: is required"),
    (rule("{id: A, deny: [x], action: block}"), "rules[0].id: must be a letter"),
    (rule("{id: 1, deny: [x], action: block}"), "rules[0].id: must be text; write it in quotes"),
    (rule("{id: a, deny: [x]}"), "rules[0].action: is required"),
    (rule("{id: a, deny: [x], action: drop}"), "action: must be one of block, mask, flag"),
    (rule("{id: a, action: flag}"), "rules[0]: must have exactly one of detector, deny, maximum"),
    (rule("{id: a, action: flag, deny: [x], detector: iban}"), "must have exactly one of"),
    (rule("{id: a, action: flag, detector: card}"), "detector: must be one of private-key"),
    (rule("{id: a, action: flag, deny: x}"), "rules[0].deny: must be a list"),
    (rule("{id: a, action: flag, deny: []}"), "rules[0].deny: must not be empty"),
    (
        rule("id: a\n        action: flag\n        deny:\n        - ok\n        - '('"),
        "9: policies.default.rules[0].deny[1]: is no regular expression of RE2: missing )",
    ),
    (rule("{id: a, action: flag, deny: ['x*']}"), "deny[0]: matches the empty text"),
    (rule(f"{{id: a, action: flag, deny: ['{'x' * 501}']}}"), "must not have more than 500"),
    (rule("{id: a, action: flag, deny: [x], allow: ['^x']}"), "allow[0]: `^` is not allowed"),
    (rule("{id: a, action: flag, deny: [x], ignore_case: yes}"), "must be true or false"),
    (rule("{id: a, action: flag, detector: iban, ignore_case: true}"), "ignore_case: is for deny"),
    (rule("{id: a, action: flag, deny: [x], sides: []}"), "sides: must not be empty"),
    (rule("{id: a, action: flag, deny: [x], sides: [input]}"), "sides[0]: must be one of prompt"),
    (rule("{id: a, action: mask, maximum_characters: 5}"), "action: a length cannot be masked"),
    (rule("{id: a, action: flag, maximum_characters: 0}"), "must be a whole number between 1"),
    (rule("{id: a, action: flag, maximum_characters: 5, allow: [x]}"), "allow: is not for lengths"),
    (HEAD.replace("rules", "window: '256'\n    rules") + RULE, "window: must be a whole number"),
    (HEAD.replace("rules", "window: 0256\n    rules") + RULE, "window: must be a whole number"),
    (HEAD.replace("rules", "window: 5\n    rules") + RULE, "4: policies.default.window: must be a"),
    (HEAD + RULE + "\nassignments: [{model: m}]", "6: assignments[0].policy: is required"),
    (HEAD + RULE + "\nassignments: [{policy: default}]", "must have organization, model or both"),
    (HEAD + RULE + "\nassignments: [{model: m, policy: x}]", "policy: must be one of default"),
    (
        HEAD
        + RULE
        + "\nassignments:\n- {model: m, policy: default}\n- {model: m, policy: default}",
        "8: assignments[1]: is for the same as one before it",
    ),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_fault_names_file_line_field_and_rule(text: str, fault: str) -> None:
    with pytest.raises(HeadraceError) as caught:
        read(text)
    assert caught.value.message.startswith("guard.yaml:")
    assert fault in caught.value.message


def test_a_file_must_be_readable_text_of_a_bounded_size() -> None:
    with pytest.raises(HeadraceError, match="must be UTF-8"):
        read_policies(b"\xff", "guard.yaml", maximum_prompt_characters=1)
    with pytest.raises(HeadraceError, match="must not be larger"):
        read_policies(b" " * 1_048_577, "guard.yaml", maximum_prompt_characters=1)


def test_nesting_without_end_is_a_fault_as_any() -> None:
    with pytest.raises(HeadraceError, match=r"guard.yaml:1: file: is nested too deeply"):
        read("[" * 100_000)


def test_so_many_patterns_may_be_in_one_list() -> None:
    with pytest.raises(HeadraceError, match=r"deny: must not have more than 1000"):
        read(rule(f"{{id: a, action: flag, deny: [{', '.join(['x'] * 1001)}]}}"))


def test_rules_that_are_too_large_together_are_refused() -> None:
    deny = ", ".join(rf"'{letter}\pL{{900}}'" for letter in "abcdefghij")
    with pytest.raises(HeadraceError, match=r"guard.yaml:5: policies.default.rules\[0\].deny"):
        read(rule(f"{{id: a, action: flag, deny: [{deny}]}}"))
