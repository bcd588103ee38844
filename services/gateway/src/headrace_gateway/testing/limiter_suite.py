"""The suite that every Limiter must pass, with its clock standing still unless a test moves it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from headrace_gateway.domain.admission import Admission, Charge, Demand, LimitState, Settlement
from headrace_gateway.domain.principal import Limit, LimitKind, Principal
from headrace_gateway.ports import Limiter

REQUESTS = Limit(LimitKind.REQUESTS_PER_MINUTE, "api_key:k1", 7)
TOKENS = Limit(LimitKind.TOKENS_PER_MINUTE, "organization:o1", 100)
PLACES = Limit(LimitKind.CONCURRENT_REQUESTS, "team:t1", 3)
PRINCIPAL = Principal("k1", "u1", "o1", frozenset())
OTHER = Principal("k2", "u2", "o2", frozenset())
ENDS = ("k1", "member:u1:1", "organization:1", "user:u1:1", "session:s1")
ENDABLE = replace(PRINCIPAL, revocation_ids=ENDS)
LEASE_SECONDS = 30.0
Revoke = Callable[[str, str], Awaitable[None]]
Advance = Callable[[float], None]


def demand(*charges: Charge, request_id: str = "r1", organization_id: str = "o1") -> Demand:
    """What a request asks of limits."""
    return Demand(request_id, organization_id, charges)


async def admit(
    limiter: Limiter, *charges: Charge, principal: Principal = PRINCIPAL, request_id: str = "r1"
) -> Admission:
    """Ask for so much of some limits."""
    wanted = demand(*charges, request_id=request_id, organization_id=principal.organization_id)
    return await limiter.admit(principal, wanted)


def settlement(reserved: Charge, admission: Admission, tokens: int) -> Settlement:
    """Of a request that had reserved some tokens, and used others."""
    return Settlement(demand(reserved), admission, tokens, cost_micros=0)


class RateSuite:
    """Subclasses in test modules provide a fixture `limiter` whose clock does not move."""

    async def test_exactly_the_limit_is_admitted_of_many_at_once(self, limiter: Limiter) -> None:
        charge = Charge(REQUESTS, 1)
        answers = await asyncio.gather(*(admit(limiter, charge) for _ in range(50)))
        assert sum(answer.refused_by is None for answer in answers) == REQUESTS.amount

    async def test_what_remains_is_told(self, limiter: Limiter) -> None:
        answers = [await admit(limiter, Charge(REQUESTS, 1)) for _ in range(8)]
        assert [answer.states[0].remaining for answer in answers] == [6, 5, 4, 3, 2, 1, 0, 0]
        refused = answers[-1].refused_by
        assert isinstance(refused, LimitState)
        assert 8.5 < refused.retry_seconds < 8.6  # a seventh of a minute
        assert 59.9 < refused.reset_seconds < 60.1

    async def test_all_charges_are_taken_or_none(self, limiter: Limiter) -> None:
        refused = await admit(limiter, Charge(REQUESTS, 1), Charge(TOKENS, 101))
        assert isinstance(refused.refused_by, LimitState)
        assert refused.refused_by.limit == TOKENS
        admitted = await admit(limiter, Charge(REQUESTS, 7), Charge(TOKENS, 100))
        assert admitted.refused_by is None

    async def test_settling_gives_back_what_was_not_used(self, limiter: Limiter) -> None:
        charge = Charge(TOKENS, 100)
        await limiter.settle(settlement(charge, await admit(limiter, charge), tokens=40))
        again = await admit(limiter, Charge(TOKENS, 60))
        assert again.refused_by is None
        assert again.states[0].remaining == 0

    async def test_settling_takes_what_was_used_beyond(self, limiter: Limiter) -> None:
        charge = Charge(TOKENS, 50)
        await limiter.settle(settlement(charge, await admit(limiter, charge), tokens=100))
        assert (await admit(limiter, Charge(TOKENS, 1))).refused_by is not None

    async def test_giving_back_never_makes_more_than_whole(self, limiter: Limiter) -> None:
        admission = await admit(limiter, Charge(TOKENS, 10))
        await limiter.settle(settlement(Charge(TOKENS, 1000), admission, tokens=0))
        assert (await admit(limiter, Charge(TOKENS, 101))).refused_by is not None

    async def test_what_the_bucket_regained_by_itself_is_not_given_back_again(
        self, limiter: Limiter
    ) -> None:
        charge = Charge(TOKENS, 100)
        now = await admit(limiter, charge)
        half_a_minute_ago = replace(now, decided_at=now.decided_at - 30)
        await limiter.settle(settlement(charge, half_a_minute_ago, tokens=0))
        again = await admit(limiter, Charge(TOKENS, 51))
        assert again.refused_by is not None
        assert again.states[0].remaining == 50

    async def test_organisations_do_not_share_counts(self, limiter: Limiter) -> None:
        await admit(limiter, Charge(TOKENS, 100))
        other = await admit(limiter, Charge(TOKENS, 100), principal=OTHER)
        assert other.refused_by is None

    async def test_models_do_not_share_counts(self, limiter: Limiter) -> None:
        await admit(limiter, Charge(replace(REQUESTS, model="m1"), 7))
        assert (await admit(limiter, Charge(REQUESTS, 7))).refused_by is None

    async def test_a_limit_that_changes_goes_on_counting(self, limiter: Limiter) -> None:
        await admit(limiter, Charge(REQUESTS, 7))
        assert (await admit(limiter, Charge(replace(REQUESTS, amount=3), 1))).refused_by is not None


class RevocationSuite:
    """Whoever has ended is told so.

    Fixtures: `limiter`, and `revoke`, which marks an organisation's revocation id as `auth` does.
    """

    async def test_who_has_ended_by_any_of_its_ids_is_told_so(
        self, limiter: Limiter, revoke: Revoke
    ) -> None:
        for number, ended in enumerate(ENDS):
            principal = replace(ENDABLE, organization_id=f"o{number}")
            charge = Charge(REQUESTS, 1)
            assert not (await admit(limiter, charge, principal=principal)).revoked
            await revoke(principal.organization_id, ended)
            assert (await admit(limiter, charge, principal=principal)).revoked

    async def test_who_has_ended_is_told_so_with_any_number_of_charges(
        self, limiter: Limiter, revoke: Revoke
    ) -> None:
        await revoke("o1", ENDS[-1])
        model = Charge(replace(REQUESTS, model="m"), 1)
        charges = [Charge(REQUESTS, 1), Charge(TOKENS, 1), model, Charge(PLACES, 1)]
        for count in range(len(charges) + 1):
            assert (await admit(limiter, *charges[:count], principal=ENDABLE)).revoked
            assert not (await admit(limiter, *charges[:count])).revoked

    async def test_without_charges_only_the_end_is_looked_at(self, limiter: Limiter) -> None:
        for principal in (PRINCIPAL, ENDABLE):
            admission = await admit(limiter, principal=principal)
            assert not admission.revoked
            assert admission.refused_by is None
            assert not admission.states

    async def test_the_end_of_others_is_not_ones_own(
        self, limiter: Limiter, revoke: Revoke
    ) -> None:
        await revoke("o2", "k1")
        await revoke("o1", "k2")
        await revoke("o1", "member:u1:2")
        await revoke("o1", "organization:")
        assert not (await admit(limiter, Charge(REQUESTS, 1), principal=ENDABLE)).revoked

    async def test_who_has_ended_is_charged_nothing_and_refused_by_no_limit(
        self, limiter: Limiter, revoke: Revoke
    ) -> None:
        await revoke("o1", "session:s1")
        for _ in range(REQUESTS.amount + 1):
            admission = await admit(limiter, Charge(REQUESTS, 1), principal=ENDABLE)
            assert admission.revoked
            assert admission.refused_by is None
        assert (await admit(limiter, Charge(REQUESTS, REQUESTS.amount))).refused_by is None
