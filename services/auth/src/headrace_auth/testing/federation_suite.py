"""What must hold for logins through identity providers over any Store when calls come at once."""

from dataclasses import replace

from headrace_auth.domain.directory import LinkedIdentity, User
from headrace_auth.testing.account_suite import outcomes, registration
from headrace_auth.testing.accounts import HERE, NEW_PASSWORD
from headrace_auth.testing.directory import MEMBER, OUTSIDER
from headrace_auth.testing.federation import ADA, VERIFIER, FederationWorld
from headrace_common.errors import Reason


class FederationRacesSuite:
    """Subclasses provide a fixture `world`."""

    async def test_a_code_is_exchanged_once(self, world: FederationWorld) -> None:
        code = await world.login_code()
        ended = await outcomes(world.exchange.exchange(HERE, code, VERIFIER) for _ in range(4))
        assert ended.count(None) == 1
        assert set(ended) == {None, Reason.LOGIN_FAILED}

    async def test_racing_first_logins_of_one_person_make_one_account(
        self, world: FederationWorld
    ) -> None:
        codes = [await world.login_code() for _ in range(4)]
        ended = await outcomes(world.exchange.exchange(HERE, code, VERIFIER) for code in codes)
        assert ended == [None] * 4
        async with world.accounts.store.begin() as transaction:
            [user] = await transaction.of(User).find(email=ADA.email)
            [link] = await transaction.of(LinkedIdentity).find()
        assert link.user_id == user.user_id

    async def test_of_two_accounts_that_link_one_identity_one_gets_it(
        self, world: FederationWorld
    ) -> None:
        callers = [await world.accounts.log_in(each.email) for each in (MEMBER, OUTSIDER)]
        codes = [await world.login_code(by=caller) for caller in callers]
        ended = await outcomes(world.exchange.exchange(HERE, code, VERIFIER) for code in codes)
        assert sorted(map(str, ended)) == ["ALREADY_EXISTS", "None"]

    async def test_an_account_is_confirmed_or_taken_over_and_never_both(
        self, world: FederationWorld
    ) -> None:
        accounts = world.accounts
        await accounts.registration().register(HERE, registration(str(ADA.email)))
        token, code = accounts.token(), await world.login_code()
        verified, taken = await outcomes(
            (
                accounts.verification.verify(HERE, token, NEW_PASSWORD),
                world.exchange.exchange(HERE, code, VERIFIER),
            )
        )
        user = await world.user(ADA.email)
        assert user.email_verified_at is not None
        if verified is None:
            assert (taken, await world.linked(user.user_id)) == (Reason.PERMISSION_DENIED, [])
            await accounts.log_in(str(ADA.email), NEW_PASSWORD)
        else:
            assert verified in (Reason.LOGIN_FAILED, Reason.INVALID_FIELD)
            assert (taken, user.password_hash) == (None, None)

    async def test_of_two_last_ways_in_one_stays(self, world: FederationWorld) -> None:
        ada = await world.accounts.caller(await world.log_in())
        await world.link(ada, replace(ADA, subject="ada2"))
        ended = await outcomes(world.unlink(ada, subject) for subject in ("ada", "ada2"))
        assert sorted(map(str, ended)) == ["None", "PERMISSION_DENIED"]
        assert len(await world.identities.list(ada)) == 1
