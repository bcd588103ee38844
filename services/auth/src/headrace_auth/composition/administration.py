"""Organisations and those in them, keys, limits, prices, signing keys."""

from headrace_auth.composition.identity import Identity
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.ports import Nonces
from headrace_auth.servicers.api_keys import ApiKeyServicer
from headrace_auth.servicers.auth import AuthServicer
from headrace_auth.servicers.directory import DirectoryServicer
from headrace_auth.servicers.limits import LimitServicer
from headrace_auth.servicers.platform import PlatformServicer
from headrace_auth.use_cases.api_keys.change_keys import KeyChanger
from headrace_auth.use_cases.api_keys.count_uses import UseCounter
from headrace_auth.use_cases.api_keys.manage_keys import KeyManager
from headrace_auth.use_cases.api_keys.signing_credentials import SigningCredentials
from headrace_auth.use_cases.credential_notices import CredentialNotices
from headrace_auth.use_cases.credentials.allowances import Allowances
from headrace_auth.use_cases.credentials.resolve_signed import SignedRequestResolver
from headrace_auth.use_cases.directory.manage_invitations import Invitations
from headrace_auth.use_cases.directory.managed_accounts import ManagedAccounts
from headrace_auth.use_cases.directory.members import Members
from headrace_auth.use_cases.directory.organizations import Organizations
from headrace_auth.use_cases.directory.sending_invitations import Inviter
from headrace_auth.use_cases.directory.teams import Teams
from headrace_auth.use_cases.limits.limits_and_budgets import BUDGET_RIGHTS, LIMIT_RIGHTS, Caps
from headrace_auth.use_cases.limits.prices import Prices
from headrace_auth.use_cases.limits.tiers import Tiers
from headrace_auth.use_cases.signing_keys.administration import SigningKeyAdministration
from headrace_auth.use_cases.signing_keys.rotation import SigningKeyRotation


def auth_servicer(identity: Identity, nonces: Nonces) -> AuthServicer:
    """What gateways ask on every request."""
    store, clock = identity.store, identity.clock
    return AuthServicer(
        resolver=identity.resolver,
        signed_resolver=SignedRequestResolver(store, identity.sealer, nonces, clock),
        allowances=Allowances(store.principals, identity.settings.limits_of_tiers()),
        use_counter=UseCounter(store.key_uses, clock),
        announcements=store.announcements,
        tokens=identity.tokens,
        metrics=identity.metrics,
        clock=clock,
    )


def api_key_servicer(identity: Identity) -> ApiKeyServicer:
    """The credentials of programs."""
    acts, notices = identity.acts, CredentialNotices(identity.outgoing_mail)
    return ApiKeyServicer(
        callers=identity.callers,
        key_manager=KeyManager(acts, notices),
        key_changer=KeyChanger(acts, notices),
        signing_credentials=SigningCredentials(acts, identity.sealer, notices),
        clock=identity.clock,
    )


def directory_servicer(identity: Identity) -> DirectoryServicer:
    """Organisations, teams, users, invitations."""
    acts, inviter = identity.acts, create_inviter(identity)
    return DirectoryServicer(
        callers=identity.callers,
        organizations=Organizations(acts, inviter),
        teams=Teams(acts),
        members=Members(acts),
        accounts=ManagedAccounts(acts),
        invitations=Invitations(acts, inviter),
    )


def create_inviter(identity: Identity) -> Inviter:
    """What sends invitations, by the settings' rules."""
    settings = identity.settings
    return Inviter(
        identity.outgoing_mail,
        identity.throttles.mailboxes,
        lifetime_seconds=settings.invitation_seconds,
        per_day=settings.invitations_per_day,
        can_register=settings.registration is not RegistrationMode.CLOSED,
    )


def limit_servicer(identity: Identity) -> LimitServicer:
    """Limits, budgets, prices, tiers."""
    acts = identity.acts
    return LimitServicer(
        callers=identity.callers,
        limits=Caps(acts, LIMIT_RIGHTS),
        budgets=Caps(acts, BUDGET_RIGHTS),
        prices=Prices(acts),
        tiers=Tiers(acts),
    )


def platform_servicer(identity: Identity, rotation: SigningKeyRotation) -> PlatformServicer:
    """The keys that sign access tokens."""
    keys = identity.store.signing_keys
    return PlatformServicer(
        callers=identity.callers,
        signing_keys=SigningKeyAdministration(identity.acts, keys, rotation),
        clock=identity.clock,
    )
