"""Who calls: through which request, from where, and as whom."""

from dataclasses import dataclass, field

from headrace_auth.domain.principal import Principal
from headrace_auth.domain.refusals import credential_missing


@dataclass(frozen=True, slots=True)
class Caller:
    """One call of this service, as the gateway passes it on."""

    request_id: str = ""
    source_address: str = ""
    """The person's or program's address as the edge saw it."""
    user_agent: str = ""
    principal: Principal | None = None
    """None where nobody needs to be anybody: logging in, registering."""
    credential: str = field(default="", repr=False)

    def identified(self) -> Principal:
        """Who calls; raises CREDENTIAL_MISSING if nobody said so."""
        if self.principal is None:
            raise credential_missing()
        return self.principal
