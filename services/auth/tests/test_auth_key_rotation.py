"""When signing keys are made, sign, are published and go, at any time and after any outage."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace_auth.domain.key_rotation import (
    WITHDRAWAL_LEAD,
    RotationPolicy,
    Succession,
    due,
    planned,
    published,
    retired,
    signing,
    withdrawing,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
LIFE = timedelta(minutes=30)
POLICY = RotationPolicy.of(
    algorithm="ES256", period=timedelta(days=30), lead=timedelta(hours=1), token_life=LIFE
)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Key:
    kid: str
    activates_at: datetime
    retires_at: datetime | None = None
    algorithm: str = "ES256"


def add(keys: list[Key], kid: str, succession: Succession, algorithm: str = "ES256") -> list[Key]:
    """What a store makes of it; see SigningKeys."""
    end = succession.others_retire_at
    others = [replace(key, retires_at=min(key.retires_at or end, end)) for key in keys]
    return [*others, Key(kid, succession.activates_at, algorithm=algorithm)]


def kids(keys: list[Key]) -> list[str]:
    return [key.kid for key in keys]


class Installation(RuleBasedStateMachine):
    """A store of keys, a replica that refreshes now and then, and the tokens that are about.

    What the replica knows is at most the lead old, as long as the database answers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.made = 0
        self.policy = POLICY
        self.store: list[Key] = []
        self.replica: list[Key] = []
        self.replica_refreshed_at = START
        self.published_since: dict[str, datetime] = {}
        self.tokens: list[tuple[str, datetime]] = []
        self.refresh()

    @rule(seconds=st.integers(1, 3600) | st.sampled_from([86_400, 40 * 86_400]))
    def pass_time(self, seconds: int) -> None:
        self._go_to(self.now + timedelta(seconds=seconds))

    @rule(moment=st.sampled_from([-MOMENT, timedelta(), MOMENT]), data=st.data())
    def pass_time_until_something_changes(self, moment: timedelta, data: st.DataObject) -> None:
        """Where mistakes are: right before, at, and right after a date."""
        dates = [end for _, end in self.tokens]
        for key in self.store:
            dates += [date for date in (key.activates_at, key.retires_at) if date is not None]
        ahead = sorted({date + moment for date in dates if date + moment > self.now})
        if ahead:
            self._go_to(data.draw(st.sampled_from(ahead)))

    @rule()
    def refresh(self) -> None:
        succession = due(self.store, self.now, self.policy)
        if succession is not None:
            self._add(succession)
        gone = kids(retired(self.store, self.now))
        self.store = [key for key in self.store if key.kid not in gone]

    @rule()
    def rotate(self) -> None:
        if all(key.activates_at <= self.now for key in self.store):
            self._add(planned(self.now, self.policy))

    @rule(algorithm=st.sampled_from(["ES256", "RS256"]))
    def choose(self, algorithm: str) -> None:
        self.policy = replace(self.policy, algorithm=algorithm)

    @rule()
    def replica_refreshes(self) -> None:
        self.replica, self.replica_refreshed_at = list(self.store), self.now

    @invariant()
    def exactly_one_key_signs(self) -> None:
        signer = signing(self.store, self.now)
        assert signer is not None
        assert signer.activates_at <= self.now
        assert signing(list(reversed(self.store)), self.now) == signer
        assert published(self.store, self.now)[0] == signer

    @invariant()
    def all_agree_on_who_signs(self) -> None:
        if self._replica_is_current():
            here, there = signing(self.store, self.now), signing(self.replica, self.now)
            assert here is not None
            assert there is not None
            assert here.kid == there.kid

    @invariant()
    def the_key_of_every_unexpired_token_is_published(self) -> None:
        self.tokens = [(kid, end) for kid, end in self.tokens if end > self.now]
        assert {kid for kid, _ in self.tokens} <= set(kids(published(self.store, self.now)))

    @invariant()
    def a_key_signs_only_after_it_was_published_for_the_lead(self) -> None:
        signer = signing(self.store, self.now)
        assert signer is not None
        if signer.kid != "k1":  # before the first one there was nobody to know it
            assert self.now - self.published_since[signer.kid] >= POLICY.lead

    @invariant()
    def keys_do_not_pile_up(self) -> None:
        assert len([key for key in self.store if key.activates_at > self.now]) <= 1

    def _go_to(self, now: datetime) -> None:
        """And whoever knows least issues a token there."""
        self.now = now
        keys = self.replica if self._replica_is_current() else self.store
        signer = signing(keys, now)
        assert signer is not None
        self.tokens.append((signer.kid, now + LIFE))

    def _replica_is_current(self) -> bool:
        return bool(self.replica) and self.now - self.replica_refreshed_at < POLICY.lead

    def _add(self, succession: Succession) -> None:
        self.made += 1
        kid = f"k{self.made}"
        self.store = add(self.store, kid, succession, self.policy.algorithm)
        self.published_since[kid] = self.now


TestInstallation = Installation.TestCase
TestInstallation.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def test_the_first_key_signs_at_once() -> None:
    assert due([], START, POLICY) == Succession(START, START)
    assert signing([], START) is None


def test_the_next_key_is_made_the_lead_before_the_period_ends() -> None:
    keys = [Key("k1", START)]
    made_at = START + POLICY.period - POLICY.lead
    assert due(keys, made_at - MOMENT, POLICY) is None
    succession = due(keys, made_at, POLICY)
    assert succession == planned(made_at, POLICY)
    assert succession.activates_at == START + POLICY.period
    keys = add(keys, "k2", succession)
    assert kids(published(keys, made_at)) == ["k1", "k2"]
    assert kids(published(keys, succession.activates_at)) == ["k2", "k1"]
    assert due(keys, succession.activates_at, POLICY) is None


def test_after_an_outage_of_months_the_next_key_still_waits_for_the_lead() -> None:
    late = START + 300 * DAY
    succession = due([Key("k1", START)], late, POLICY)
    assert succession is not None
    assert succession.activates_at == late + POLICY.lead


def test_another_algorithm_brings_a_key_at_once_but_none_beside_one_that_waits() -> None:
    rsa = replace(POLICY, algorithm="RS256")
    keys = [Key("k1", START)]
    assert due(keys, START + DAY, rsa) == planned(START + DAY, rsa)
    keys = add(keys, "k2", planned(START + DAY, rsa), "RS256")
    assert due(keys, START + DAY + MOMENT, rsa) is None
    assert due(keys, START + DAY + MOMENT, POLICY) is None


def test_withdrawing_ends_all_others_when_the_new_key_begins() -> None:
    keys = add([Key("k1", START)], "k2", planned(START + DAY, POLICY))
    now = START + DAY + timedelta(minutes=1)
    keys = add(keys, "k3", withdrawing(now))
    then = now + WITHDRAWAL_LEAD
    for moment, signer in ((then - MOMENT, "k1"), (then, "k3"), (then + DAY, "k3")):
        key = signing(keys, moment)
        assert key is not None
        assert key.kid == signer
    assert kids(published(keys, then)) == ["k3"]
    assert set(kids(retired(keys, then))) == {"k1", "k2"}
    assert due(keys, now + MOMENT, POLICY) is None


@pytest.mark.parametrize("behind", [MOMENT, timedelta(minutes=2)])
def test_a_clock_behind_the_makers_signs_with_the_first_key_too(behind: timedelta) -> None:
    keys = [Key("k1", START)]
    assert signing(keys, START - behind) == keys[0]
    assert due(keys, START - behind, POLICY) is None
