"""The suite that every RateLimiter must pass, with its clock standing still."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from headrace_gateway.domain.principal import Limit, LimitKind, Principal
from headrace_gateway.domain.rates import Charge
from headrace_gateway.ports import RateLimiter

REQUESTS = Limit(LimitKind.REQUESTS_PER_MINUTE, "api_key:k1", 7)
TOKENS = Limit(LimitKind.TOKENS_PER_MINUTE, "organization:o1", 100)
PRINCIPAL = Principal("k1", "u1", "o1", frozenset())
OTHER = Principal("k2", "u2", "o2", frozenset())
ENDS = ("k1", "member:u1:1", "organization:1", "user:u1:1", "session:s1")
ENDABLE = replace(PRINCIPAL, revocation_ids=ENDS)
Revoke = Callable[[str, str], Awaitable[None]]


class RateLimiterSuite:
    """Subclasses in test modules provide a fixture `limiter` whose clock does not move.

    And a fixture `revoke`, which marks an organisation's revocation id as `auth` does.
    """

    async def test_exactly_the_limit_is_admitted_of_many_at_once(
        self, limiter: RateLimiter
    ) -> None:
        charge = Charge(REQUESTS, 1)
        answers = await asyncio.gather(*(limiter.admit(PRINCIPAL, [charge]) for _ in range(50)))
        assert sum(answer.refused_by is None for answer in answers) == REQUESTS.amount

    async def test_what_remains_is_told(self, limiter: RateLimiter) -> None:
        charge = Charge(REQUESTS, 1)
        answers = [await limiter.admit(PRINCIPAL, [charge]) for _ in range(8)]
        assert [answer.states[0].remaining for answer in answers] == [6, 5, 4, 3, 2, 1, 0, 0]
        refused = answers[-1].refused_by
        assert refused is not None
        assert 8.5 < refused.retry_seconds < 8.6  # a seventh of a minute
        assert 59.9 < refused.reset_seconds < 60.1

    async def test_all_charges_are_taken_or_none(self, limiter: RateLimiter) -> None:
        refused = await limiter.admit(PRINCIPAL, [Charge(REQUESTS, 1), Charge(TOKENS, 101)])
        assert refused.refused_by is not None
        assert refused.refused_by.limit == TOKENS
        admitted = await limiter.admit(PRINCIPAL, [Charge(REQUESTS, 7), Charge(TOKENS, 100)])
        assert admitted.refused_by is None

    async def test_settling_gives_back_what_was_not_used(self, limiter: RateLimiter) -> None:
        admission = await limiter.admit(PRINCIPAL, [Charge(TOKENS, 100)])
        await limiter.settle(PRINCIPAL, admission, [Charge(TOKENS, 60)])
        again = await limiter.admit(PRINCIPAL, [Charge(TOKENS, 60)])
        assert again.refused_by is None
        assert again.states[0].remaining == 0

    async def test_settling_takes_what_was_used_beyond(self, limiter: RateLimiter) -> None:
        admission = await limiter.admit(PRINCIPAL, [Charge(TOKENS, 50)])
        await limiter.settle(PRINCIPAL, admission, [Charge(TOKENS, -50)])
        assert (await limiter.admit(PRINCIPAL, [Charge(TOKENS, 1)])).refused_by is not None

    async def test_giving_back_never_makes_more_than_whole(self, limiter: RateLimiter) -> None:
        admission = await limiter.admit(PRINCIPAL, [Charge(TOKENS, 10)])
        await limiter.settle(PRINCIPAL, admission, [Charge(TOKENS, 1000)])
        assert (await limiter.admit(PRINCIPAL, [Charge(TOKENS, 101)])).refused_by is not None

    async def test_what_the_bucket_regained_by_itself_is_not_given_back_again(
        self, limiter: RateLimiter
    ) -> None:
        now = await limiter.admit(PRINCIPAL, [Charge(TOKENS, 100)])
        half_a_minute_ago = replace(now, decided_at=now.decided_at - 30)
        await limiter.settle(PRINCIPAL, half_a_minute_ago, [Charge(TOKENS, 100)])
        again = await limiter.admit(PRINCIPAL, [Charge(TOKENS, 51)])
        assert again.refused_by is not None
        assert again.states[0].remaining == 50

    async def test_organisations_do_not_share_counts(self, limiter: RateLimiter) -> None:
        await limiter.admit(PRINCIPAL, [Charge(TOKENS, 100)])
        assert (await limiter.admit(OTHER, [Charge(TOKENS, 100)])).refused_by is None

    async def test_models_do_not_share_counts(self, limiter: RateLimiter) -> None:
        for_model = replace(REQUESTS, model="m1")
        await limiter.admit(PRINCIPAL, [Charge(for_model, 7)])
        assert (await limiter.admit(PRINCIPAL, [Charge(REQUESTS, 7)])).refused_by is None

    async def test_who_has_ended_by_any_of_its_ids_is_told_so(
        self, limiter: RateLimiter, revoke: Revoke
    ) -> None:
        for number, ended in enumerate(ENDS):
            principal = replace(ENDABLE, organization_id=f"o{number}")
            assert not (await limiter.admit(principal, [Charge(REQUESTS, 1)])).revoked
            await revoke(principal.organization_id, ended)
            assert (await limiter.admit(principal, [Charge(REQUESTS, 1)])).revoked

    async def test_who_has_ended_is_told_so_with_any_number_of_charges(
        self, limiter: RateLimiter, revoke: Revoke
    ) -> None:
        await revoke("o1", ENDS[-1])
        charges = [Charge(REQUESTS, 1), Charge(TOKENS, 1), Charge(replace(REQUESTS, model="m"), 1)]
        for count in range(len(charges) + 1):
            assert (await limiter.admit(ENDABLE, charges[:count])).revoked
            assert not (await limiter.admit(PRINCIPAL, charges[:count])).revoked

    async def test_without_charges_only_the_end_is_looked_at(self, limiter: RateLimiter) -> None:
        for principal in (PRINCIPAL, ENDABLE):
            admission = await limiter.admit(principal, [])
            assert not admission.revoked
            assert admission.refused_by is None
            assert not admission.states

    async def test_the_end_of_others_is_not_ones_own(
        self, limiter: RateLimiter, revoke: Revoke
    ) -> None:
        await revoke("o2", "k1")
        await revoke("o1", "k2")
        await revoke("o1", "member:u1:2")
        await revoke("o1", "organization:")
        assert not (await limiter.admit(ENDABLE, [Charge(REQUESTS, 1)])).revoked

    async def test_who_has_ended_is_charged_nothing_and_refused_by_no_limit(
        self, limiter: RateLimiter, revoke: Revoke
    ) -> None:
        await revoke("o1", "session:s1")
        for _ in range(REQUESTS.amount + 1):
            admission = await limiter.admit(ENDABLE, [Charge(REQUESTS, 1)])
            assert admission.revoked
            assert admission.refused_by is None
        admitted = await limiter.admit(PRINCIPAL, [Charge(REQUESTS, REQUESTS.amount)])
        assert admitted.refused_by is None
