"""Whose turn it is between tenants: whoever has been served the fewest tokens.

Virtual token counters, after Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024).
"""

import heapq
from collections.abc import Collection

PROMPT_WEIGHT = 1.0
COMPLETION_WEIGHT = 2.0
"""A token that is made takes a pass of its own; those of a prompt share one (as in the paper)."""

MAXIMUM_TENANTS = 10_000


class FairShares:
    """Counts what tenants are served, in weighted tokens.

    A tenant that comes to wait is lifted to the least of those that wait already, or else to the
    one that was let in last: what it did not use while it was away is not saved up.
    """

    def __init__(self) -> None:
        self._served: dict[str, float] = {}
        self._floor = 0.0

    def arrive(self, tenant: str, waiting: Collection[str]) -> None:
        """`tenant` begins to wait beside the tenants `waiting`."""
        floor = min((self._served[each] for each in waiting), default=self._floor)
        self._served[tenant] = max(self.served(tenant), floor)
        if len(self._served) > MAXIMUM_TENANTS:
            self._forget({tenant, *waiting})

    def least(self, waiting: Collection[str]) -> str:
        """The one of `waiting` that goes next; the first of equals."""
        return min(waiting, key=self.served)

    def let_in(self, tenant: str, prompt_tokens: int) -> None:
        """A request of the tenant begins, with a prompt of so many tokens."""
        self._floor = max(self._floor, self.served(tenant))
        self._served[tenant] = self.served(tenant) + PROMPT_WEIGHT * prompt_tokens

    def serve(self, tenant: str, completion_tokens: int) -> None:
        """So many tokens have been made for the tenant."""
        self._served[tenant] = self.served(tenant) + COMPLETION_WEIGHT * completion_tokens

    def served(self, tenant: str) -> float:
        """The tenant's counter; unknown tenants have no less than who was let in last."""
        return self._served.get(tenant, self._floor)

    def _forget(self, kept: Collection[str]) -> None:
        """Forget half of the tenants, those with the least to remember."""
        most = heapq.nlargest(MAXIMUM_TENANTS // 2, self._served, key=self.served)
        self._served = {each: self._served[each] for each in {*kept, *most}}
