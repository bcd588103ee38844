"""Making an account: whether its address was free is told to that address alone."""

import secrets
from dataclasses import replace

from headrace_auth.domain import mails
from headrace_auth.domain.callers import Caller
from headrace_auth.domain.directory import Membership, Organization, User
from headrace_auth.domain.principal import Role
from headrace_auth.domain.refusals import invalid_field, permission_denied
from headrace_auth.domain.registration import (
    RegistrationMode,
    RegistrationRequest,
    own_organization_names,
)
from headrace_auth.domain.sessions import Purpose
from headrace_auth.use_cases.accounts import mailed_tokens
from headrace_auth.use_cases.accounts.new_passwords import NewPasswords
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.address_throttle import AddressThrottle
from headrace_auth.use_cases.directory import taking_invitations
from headrace_auth.use_cases.even_time import EvenTime
from headrace_auth.use_cases.mailbox_throttle import MailboxThrottle
from headrace_auth.use_cases.outgoing_mail import OutgoingMail
from headrace_common.errors import HeadraceError, Reason
from headrace_common.ids import uuid7

SUFFIX_BYTES = 4


class Registration:
    """Registers people, if the installation lets it."""

    def __init__(
        self,
        acts: Acts,
        new_passwords: NewPasswords,
        request_throttle: AddressThrottle,
        mailbox_throttle: MailboxThrottle,
        outgoing_mail: OutgoingMail,
        even_time: EvenTime,
        *,
        mode: RegistrationMode,
    ) -> None:
        self._acts = acts
        self._new_passwords = new_passwords
        self._request_throttle = request_throttle
        self._mailbox_throttle = mailbox_throttle
        self._outgoing_mail = outgoing_mail
        self._mode = mode
        self._even_time = even_time

    async def register(self, caller: Caller, request: RegistrationRequest) -> None:
        """An account, or a mail to whoever has one already; nothing tells the caller which.

        Raises PERMISSION_DENIED (closed, or the invitation is for another address), INVALID_FIELD,
        RESOURCE_NOT_FOUND (invitation), REQUEST_RATE_LIMITED, QUEUE_FULL and
        DEPENDENCY_UNAVAILABLE, each for reasons that have nothing to do with existing accounts.
        """
        self._check_mode(request)
        await self._request_throttle.begin(caller)
        if request.invitation_sha256 is not None:
            async with self._acts.begin(caller) as act:
                await taking_invitations.find_open(act, request.invitation_sha256, request.email)
        password_hash = await self._new_passwords.hash(
            request.password, about=(request.email, request.name)
        )
        async with self._even_time.whole_steps(), self._acts.begin(caller) as act:
            if request.invitation_sha256 is not None:
                # The directory before mailbox and user, as who invites takes them.
                await taking_invitations.find_open(act, request.invitation_sha256, request.email)
            mail_allowed = await self._mailbox_throttle.allows_mail_to(act, request.email)
            user = await self._add_user(act, request, password_hash)
            if user is not None:
                await self._settle(act, user, request)
            elif mail_allowed:
                await self._tell_owner(act, request.email)

    def _check_mode(self, request: RegistrationRequest) -> None:
        if self._mode is RegistrationMode.CLOSED:
            raise permission_denied("Nobody can register here; ask an administrator.")
        if self._mode is RegistrationMode.INVITATION and request.invitation_sha256 is None:
            raise invalid_field(
                "invitation_token", "needed here: only who was invited can register"
            )

    async def _add_user(
        self, act: Act, request: RegistrationRequest, password_hash: str
    ) -> User | None:
        """The new user; None if the address is taken, be it since a moment ago."""
        if found := await act.of(User).find(email=request.email):
            await act.warn_of_refusal(
                Reason.ALREADY_EXISTS,
                "registration_of_known_address",
                f"user:{found[0].user_id}",
                user_id=found[0].user_id,
            )
            return None
        # An invitation was sent to this address: whoever has it reads what is sent there.
        invited = request.invitation_sha256 is not None
        user = User(
            user_id=uuid7(act.now),
            email=request.email,
            created_at=act.now,
            password_hash=password_hash,
            name=request.name,
            email_verified_at=act.now if invited else None,
        )
        try:
            await act.add(user, "register", user_id=user.user_id)
        except HeadraceError as error:
            if error.reason is not Reason.ALREADY_EXISTS:
                raise
            return None
        return user

    async def _settle(self, act: Act, user: User, request: RegistrationRequest) -> None:
        """Give the new user a place; without invitation it has to prove its address."""
        if request.invitation_sha256 is not None:
            await taking_invitations.accept(act, request.invitation_sha256, user)
            return
        await add_own_organization(act, user, request.organization_name)
        token = await mailed_tokens.issue(act, Purpose.VERIFY_EMAIL, user.user_id)
        mail = mails.verify_email(request.email, self._outgoing_mail.links.verify_email(token))
        self._outgoing_mail.post(act, mail)

    async def _tell_owner(self, act: Act, email: str) -> None:
        users = await act.of(User).find(email=email)
        # Whoever registered before may be a stranger, until the address is proven.
        is_proven = any(user.email_verified_at is not None for user in users)
        write = mails.already_registered if is_proven else mails.unconfirmed_account
        self._outgoing_mail.post(act, write(email, self._outgoing_mail.links.log_in_url))


async def add_own_organization(act: Act, user: User, organization_name: str = "") -> None:
    """Give a new user an organisation to own, called so if nobody else's is."""
    suffix = secrets.token_hex(SUFFIX_BYTES)
    wanted, otherwise = own_organization_names(organization_name, user.email or "", suffix)
    organization = Organization(uuid7(act.now), wanted, act.now)
    about = {"user_id": user.user_id, "organization_id": organization.organization_id}
    try:
        await act.add(organization, **about)
    except HeadraceError as error:
        if error.reason is not Reason.ALREADY_EXISTS:
            raise
        organization = replace(organization, name=otherwise)
        await act.add(organization, **about)
    membership = Membership(user.user_id, organization.organization_id, Role.OWNER, act.now)
    await act.add(membership, **about)
