"""What a call that must be refused was refused with."""

from collections.abc import Awaitable

import pytest

from headrace_common.errors import HeadraceError, Reason
from headrace_common.grpc_errors import translate_rpc_errors


async def refusal(call: Awaitable[object]) -> HeadraceError:
    """The error, also as a stub of auth tells it; fails if there is none."""
    with pytest.raises(HeadraceError) as caught, translate_rpc_errors("auth"):
        await call
    return caught.value


async def refused(call: Awaitable[object]) -> Reason:
    """Its reason."""
    return (await refusal(call)).reason
