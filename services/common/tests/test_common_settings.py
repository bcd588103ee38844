"""What a wrong setting is told as: the variable and the rule, without its value."""

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from headrace_common.settings import ServiceSettings, load_settings

CANARY = "canary-7c1"


class Settings(ServiceSettings):
    """Of a service that is not there."""

    model_config = SettingsConfigDict(env_prefix="TEST_")

    slots: int = Field(default=1, ge=1)
    names: dict[str, int] = Field(default_factory=dict)
    key: SecretStr = SecretStr("")


def test_what_the_environment_says_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SLOTS", "3")
    assert load_settings(Settings).slots == 3


def test_each_fault_is_a_line_that_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SLOTS", "0")
    monkeypatch.setenv("TEST_METRICS_ADDRESS", CANARY)
    with pytest.raises(SystemExit) as caught:
        load_settings(Settings)
    text = str(caught.value)
    assert "TEST_SLOTS: Input should be greater than or equal to 1" in text
    assert [line.partition(":")[0] for line in text.splitlines()] == [
        "TEST_METRICS_ADDRESS",
        "TEST_SLOTS",
    ]
    assert CANARY not in text


def test_what_should_be_json_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_NAMES", CANARY)
    with pytest.raises(SystemExit, match=r'"names".*must be JSON') as caught:
        load_settings(Settings)
    assert CANARY not in str(caught.value)


def test_a_placeholder_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "changeme")
    with pytest.raises(SystemExit, match=r"^TEST_\.\.\.: key: a placeholder is refused"):
        load_settings(Settings)


def test_in_development_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_ENVIRONMENT", "development")
    monkeypatch.setenv("TEST_SLOST", CANARY)
    monkeypatch.setenv("TEST_MORE", CANARY)
    with pytest.raises(SystemExit) as caught:
        load_settings(Settings)
    assert str(caught.value).splitlines() == [
        "TEST_MORE: there is no such setting",
        "TEST_SLOST: there is no such setting; did you mean TEST_SLOTS?",
    ]
    assert load_settings(Settings, part=True).slots == 1


def test_in_production_what_only_a_newer_release_knows_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEST_NEWER", CANARY)
    assert load_settings(Settings).slots == 1
