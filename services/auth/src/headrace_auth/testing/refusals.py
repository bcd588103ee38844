"""What a call that must be refused was refused with."""

from collections.abc import Awaitable

import pytest

from headrace_common.errors import HeadraceError, Reason


async def refusal(call: Awaitable[object]) -> HeadraceError:
    """The error; fails if there is none."""
    with pytest.raises(HeadraceError) as caught:
        await call
    return caught.value


async def refused(call: Awaitable[object]) -> Reason:
    """Its reason."""
    return (await refusal(call)).reason
