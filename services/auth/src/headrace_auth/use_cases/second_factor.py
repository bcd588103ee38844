"""Whether somebody has a second factor: logins ask for it then, and people see it of themselves."""

from headrace_auth.domain.sessions import SecondFactor
from headrace_auth.use_cases.acts import Act


async def has_second_factor(act: Act, user_id: str) -> bool:
    """Whether the user has one that counts: one that was confirmed by a code of it."""
    factor = await act.of(SecondFactor).get(user_id)
    return factor is not None and factor.confirmed_at is not None
