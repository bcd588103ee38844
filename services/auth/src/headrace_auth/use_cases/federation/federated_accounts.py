"""From whom an identity provider vouches for to a user: found, linked or made, within one act."""

from headrace_auth.domain import federation, mails
from headrace_auth.domain.directory import Invitation, LinkedIdentity, Membership, User
from headrace_auth.domain.external_identity import ExternalIdentity
from headrace_auth.domain.federation import Decision, EmailAccount, Verdict
from headrace_auth.domain.login_refusals import LoginRefusal
from headrace_auth.domain.registration import RegistrationMode
from headrace_auth.use_cases.accounts.registration import add_own_organization
from headrace_auth.use_cases.accounts.unproven_accounts import is_as_registered, take_over
from headrace_auth.use_cases.acts import Act
from headrace_auth.use_cases.directory import taking_invitations
from headrace_auth.use_cases.outgoing_mail import OutgoingMail
from headrace_common.errors import HeadraceError
from headrace_common.ids import uuid7


class FederatedAccounts:
    """Applies the rule of `domain/federation.py` to the accounts that there are."""

    def __init__(self, outgoing_mail: OutgoingMail, mode: RegistrationMode) -> None:
        self._outgoing_mail = outgoing_mail
        self._mode = mode

    async def decide(self, act: Act, identity: ExternalIdentity) -> Decision:
        """Who would log in, and what would become of the account; changes nothing.

        Of two first logins at once, one waits here, and then finds what the other one made.
        """
        await alone_with(act, identity)
        linked = await act.of(LinkedIdentity).get(identity.provider, identity.subject)
        account = None if linked else await _account(act, identity)
        # Of newcomers alone: looking takes the directory, and who has a user locks that first.
        is_new = linked is None and account is None
        decision = federation.decide(
            identity,
            linked_user_id=linked.user_id if linked else None,
            account=account,
            registration_open=self._mode is RegistrationMode.OPEN,
            invited=is_new and await self._invitation(act, identity) is not None,
        )
        return await _unless_shut_out(act, decision)

    async def admit(self, act: Act, identity: ExternalIdentity, decision: Decision) -> User:
        """Do what was decided in the same act; raises ALREADY_EXISTS if somebody was faster."""
        if decision.verdict is Verdict.CREATE:
            user = await self._create(act, identity)
            await act.add(_link(act, identity, user), user_id=user.user_id)
            return user
        user = await _locked(act, decision.user_id)
        if decision.verdict is Verdict.LINK:
            await self.link(act, identity, user)
        elif decision.verdict is Verdict.TAKE_OVER:
            user = await self._take_over(act, identity, user)
        return user

    async def link(
        self, act: Act, identity: ExternalIdentity, user: User, **about: str
    ) -> LinkedIdentity:
        """From now on the identity logs in as the user, who is told."""
        link = _link(act, identity, user)
        await act.add(link, **{"user_id": user.user_id, **about})
        self._outgoing_mail.tell(
            act, user, lambda address: mails.login_method_linked(address, identity.provider)
        )
        return link

    async def _take_over(self, act: Act, identity: ExternalIdentity, user: User) -> User:
        taken = await take_over(act, user, identity.name)
        await act.add(_link(act, identity, taken), user_id=taken.user_id)
        self._outgoing_mail.tell(
            act, taken, lambda address: mails.account_taken_over(address, identity.provider)
        )
        return taken

    async def _create(self, act: Act, identity: ExternalIdentity) -> User:
        user = User(
            user_id=uuid7(act.now),
            email=identity.email,
            created_at=act.now,
            name=identity.name,
            email_verified_at=act.now,
        )
        await act.add(user, "register", user_id=user.user_id)
        invitation = await self._invitation(act, identity)
        if invitation is not None:
            await taking_invitations.accept(act, invitation.token_sha256, user)
        else:
            await add_own_organization(act, user)
        return user

    async def _invitation(self, act: Act, identity: ExternalIdentity) -> Invitation | None:
        """The oldest that was sent to the verified address and can be taken.

        None where anybody may register: there anybody may invite, too, and nobody becomes another's
        member without saying so. Such a newcomer can still accept by the mail's token.
        """
        email = identity.email
        needed = self._mode is RegistrationMode.INVITATION
        if not needed or email is None or not identity.email_verified:
            return None
        sent = await act.of(Invitation).find(email=email, accepted_at=None)
        for invitation in sorted(sent, key=lambda each: each.created_at):
            try:
                return await taking_invitations.find_open(act, invitation.token_sha256, email)
            except HeadraceError:
                continue
        return None


async def alone_with(act: Act, identity: ExternalIdentity) -> None:
    """Wait until no other act decides about this identity; what is read of it then holds."""
    await act.alone(f"identity {identity.provider} {identity.subject}")


async def _account(act: Act, identity: ExternalIdentity) -> EmailAccount | None:
    """Whose address it is, unless the provider has not verified it: then it opens nothing."""
    known = identity.email is not None and identity.email_verified
    found = await act.of(User).find(email=identity.email) if known else []
    if not found:
        return None
    # Locked: nobody proves the address, or sets a password, while this is decided.
    user = await _locked(act, found[0].user_id)
    is_proven = user.email_verified_at is not None
    return EmailAccount(
        user_id=user.user_id,
        email_verified=is_proven,
        has_password=user.password_hash is not None,
        is_as_registered=not is_proven and await is_as_registered(act, user.user_id),
    )


async def _unless_shut_out(act: Act, decision: Decision) -> Decision:
    """Refuse whom the rule lets in as a user who may not get in anywhere."""
    if decision.user_id is None:
        return decision
    user = await _locked(act, decision.user_id)
    if user.disabled_at is not None:
        return Decision(Verdict.REFUSE, user.user_id, LoginRefusal.ACCOUNT_DISABLED)
    if not await act.of(Membership).find(user_id=user.user_id):
        return Decision(Verdict.REFUSE, user.user_id, LoginRefusal.NO_ORGANIZATION)
    return decision


async def _locked(act: Act, user_id: str | None) -> User:
    user = await act.of(User).get(user_id, lock=True)
    if user is None:
        raise LookupError("a linked identity without its user")
    return user


def _link(act: Act, identity: ExternalIdentity, user: User) -> LinkedIdentity:
    return LinkedIdentity(
        provider=identity.provider,
        subject=identity.subject,
        user_id=user.user_id,
        email=identity.email or "",
        created_at=act.now,
    )
