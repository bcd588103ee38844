"""What models cost, as versions of one table."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from headrace_auth.domain.records import Kind


@dataclass(frozen=True, slots=True)
class PriceTable:
    """What models cost from a moment on; a later version replaces it, none is ever changed."""

    KIND: ClassVar = Kind("price_table", ("version",))

    version: int
    currency: str
    prices: Mapping[str, Any]
    """By public model id: `input_micros_per_million_tokens`, `output_micros_per_million_tokens`."""
    effective_at: datetime
    created_by: str
    created_at: datetime

    def of_models(self, models: Collection[str]) -> "PriceTable":
        """With these models' prices only."""
        prices = {model: self.prices[model] for model in models if model in self.prices}
        return replace(self, prices=prices)
