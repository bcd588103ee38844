"""Price tables: reading the one in force, and adding the next version."""

from headrace_auth.domain.callers import Caller
from headrace_auth.domain.consumption_fields import PriceRequest
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.refusals import invalid_field, no_prices_in_force, not_found
from headrace_auth.domain.rights import Action, authorize
from headrace_auth.use_cases.acts import Act, Acts
from headrace_auth.use_cases.directory_lock import lock_directory_in_role


class Prices:
    """Acts for a principal; prices are the platform's and the same for all."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    async def get(self, caller: Caller, version: int) -> PriceTable:
        """That version; for 0 the one in force. Raises PERMISSION_DENIED, RESOURCE_NOT_FOUND."""
        authorize(caller.identified(), Action.GET_PRICE_TABLE)
        async with self._acts.begin(caller) as act:
            table = await (_get(act, version) if version else _in_force(act))
        if table is None:
            raise not_found(PriceTable.KIND.name) if version else no_prices_in_force()
        return table

    async def set(self, caller: Caller, request: PriceRequest) -> PriceTable:
        """The next version; raises PERMISSION_DENIED, or INVALID_FIELD for a time in the past."""
        principal = caller.identified()
        authorize(principal, Action.SET_PRICE_TABLE)
        async with self._acts.begin(caller) as act:
            await lock_directory_in_role(act, principal.member.organization_id)
            # By the clock that says what is in force, whichever replica is asked.
            now = await act.database_now()
            effective_at = request.effective_at or now
            if effective_at < now:
                raise invalid_field("effective_at", "must not be in the past")
            last = await _last(act)
            table = PriceTable(
                version=last.version + 1 if last else 1,
                currency=request.currency,
                prices={
                    price.model: {
                        "input_micros_per_million_tokens": price.input_micros,
                        "output_micros_per_million_tokens": price.output_micros,
                    }
                    for price in request.prices
                },
                effective_at=effective_at,
                created_by=principal.member.user_id,
                created_at=now,
            )
            await act.add(table)
        return table


async def _in_force(act: Act) -> PriceTable | None:
    """The highest version whose time has come."""
    table, now = await _last(act), await act.database_now()
    while table is not None and table.effective_at > now:
        table = await _get(act, table.version - 1)
    return table


async def _last(act: Act) -> PriceTable | None:
    newest = await act.of(PriceTable).page(None, 1)
    return newest[0] if newest else None


async def _get(act: Act, version: int) -> PriceTable | None:
    return await act.of(PriceTable).get(version)
