"""Offering a membership to an address: the invitation, its token and its mail."""

from dataclasses import dataclass, replace
from datetime import timedelta

from headrace_auth.crypto.new_secrets import new_secret
from headrace_auth.domain import mails
from headrace_auth.domain.directory import Invitation, Membership, Organization, User
from headrace_auth.domain.opaque_secrets import TokenPrefix
from headrace_auth.domain.principal import Role
from headrace_auth.domain.refusals import already_exists, too_many_invitations
from headrace_auth.use_cases.acts import Act
from headrace_auth.use_cases.directory_lock import lock_directory
from headrace_auth.use_cases.mailbox_throttle import MailboxThrottle
from headrace_auth.use_cases.outgoing_mail import OutgoingMail
from headrace_common.ids import uuid7

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Offer:
    """A role in an organisation, for whoever reads mail to an address; the address is checked."""

    organization: Organization
    email: str
    role: Role
    team_id: str | None = None


class Inviter:
    """Makes invitations within acts; their mails leave once the act is committed."""

    def __init__(
        self,
        outgoing_mail: OutgoingMail,
        mailbox_throttle: MailboxThrottle,
        *,
        lifetime_seconds: float,
        per_day: int,
        can_register: bool,
    ) -> None:
        """`per_day` bounds what an organisation sends within any 24 hours.

        `can_register`: whether who was invited may make an account; mails say it if not.
        """
        self._outgoing_mail = outgoing_mail
        self._mailbox_throttle = mailbox_throttle
        self._lifetime = timedelta(seconds=lifetime_seconds)
        self._per_day = per_day
        self._can_register = can_register

    async def offer(self, act: Act, offer: Offer) -> Invitation:
        """An invitation that takes the place of open ones.

        Raises ALREADY_EXISTS for a member, and REQUEST_RATE_LIMITED for a mailbox that got many
        mails already, and for an organisation that has sent many: whoever may register may invite,
        so the address may be anybody's.
        """
        inviter = act.caller.identified().member.user_id
        await _refuse_member(act, offer)
        await self._check_day(act, offer.organization.organization_id)
        await self._mailbox_throttle.check_mailbox(act, offer.email)
        await _replace_open(act, offer)
        token = new_secret(TokenPrefix.INVITATION)
        invitation = Invitation(
            invitation_id=uuid7(act.now),
            organization_id=offer.organization.organization_id,
            email=offer.email,
            role=offer.role,
            token_sha256=token.sha256,
            created_by=inviter,
            created_at=act.now,
            expires_at=act.now + self._lifetime,
            team_id=offer.team_id,
        )
        await act.add(invitation)
        link = self._outgoing_mail.links.invitation(token.reveal())
        name = await _name(act, inviter)
        mail = mails.invitation(
            offer.email,
            offer.organization.name,
            name,
            link,
            invitation.expires_at,
            can_register=self._can_register,
        )
        self._outgoing_mail.post(act, mail)
        return invitation

    async def _check_day(self, act: Act, organization_id: str) -> None:
        """Raise REQUEST_RATE_LIMITED if so many were sent; to take one back makes no room."""
        await lock_directory(act, organization_id)
        newest = await act.of(Invitation).page(None, self._per_day, organization_id=organization_id)
        if len(newest) == self._per_day:
            wait = newest[-1].created_at + DAY - act.now
            if wait > timedelta(0):
                raise too_many_invitations(self._per_day, wait.total_seconds())


async def _refuse_member(act: Act, offer: Offer) -> None:
    organization_id = offer.organization.organization_id
    for user in await act.of(User).find(email=offer.email):
        if await act.of(Membership).get(user.user_id, organization_id):
            raise already_exists(Membership.KIND.name, "email")


async def _replace_open(act: Act, offer: Offer) -> None:
    same = {"organization_id": offer.organization.organization_id, "email": offer.email}
    for invitation in await act.of(Invitation).find(**same):
        if invitation.is_open(act.now):
            await act.change(invitation, replace(invitation, revoked_at=act.now), "replace")


async def _name(act: Act, user_id: str) -> str:
    user = await act.of(User).get(user_id)
    return (user and (user.name or user.email)) or "An administrator"
