"""What makes an answer a good one, besides that it ends well: it comes soon and fast enough."""

from dataclasses import dataclass

from headrace_inference.domain.run import Run

FIRST_TOKEN_EDGES = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1, 2.5, 5, 7.5, 10, 20, 40, 80, 160),
)
PER_TOKEN_EDGES = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
"""Where histograms part what they count, in seconds. An objective is one of them, so that the
histogram tells, too, how many answers kept it."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """Most seconds from arrival to the first token, and on average between tokens of a choice."""

    first_token_seconds: float
    per_token_seconds: float

    def met_by(self, run: Run) -> bool:
        """Whether the answer was in time; one without a token was not."""
        first_token = run.seconds_to_first_token()
        return (
            first_token is not None
            and first_token <= self.first_token_seconds
            and (run.seconds_per_token() or 0.0) <= self.per_token_seconds
        )
