"""Which guard policy is for whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace_gateway.domain.guard import GuardPolicy

Place = tuple[str | None, str | None]
"""An organisation's id and a model's; None is for any."""


@dataclass(frozen=True, slots=True)
class PolicyBook:
    """All policies in force, by whom and what they are for."""

    default: GuardPolicy
    assigned: Mapping[Place, GuardPolicy] = field(default_factory=dict)

    def policy_for(self, organization_id: str, model: str) -> GuardPolicy:
        """The most specific one; what an organisation is assigned goes before what a model is."""
        places: tuple[Place, ...] = (
            (organization_id, model),
            (organization_id, None),
            (None, model),
        )
        found = (self.assigned[place] for place in places if place in self.assigned)
        return next(found, self.default)
