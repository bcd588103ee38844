"""From price tables to messages."""

from headrace.auth.v1 import auth_pb2
from headrace_auth.domain.prices import PriceTable
from headrace_auth.domain.principal import Principal
from headrace_auth.servicers.messages import timestamp


def price_table_message(table: PriceTable) -> auth_pb2.PriceTable:
    """Without who made it, which is the platform's own affair."""
    return auth_pb2.PriceTable(
        version=table.version,
        currency=table.currency,
        effective_at=timestamp(table.effective_at),
        created_at=timestamp(table.created_at),
        prices=[
            auth_pb2.ModelPrice(model=model, **price)
            for model, price in sorted(table.prices.items())
        ],
    )


class PriceMessages:
    """Who may use every model is told the same: with 500 prices, that is worth making once."""

    def __init__(self) -> None:
        self._made: tuple[PriceTable, auth_pb2.PriceTable] | None = None

    def add_to(self, message: auth_pb2.Principal, principal: Principal) -> None:
        """The prices that the principal is told, if it is told any."""
        if principal.prices is not None:
            whole = not principal.allowed_models
            made = self._whole(principal.prices) if whole else price_table_message(principal.prices)
            message.prices.CopyFrom(made)

    def _whole(self, table: PriceTable) -> auth_pb2.PriceTable:
        if self._made is None or self._made[0] is not table:
            self._made = (table, price_table_message(table))
        return self._made[1]
