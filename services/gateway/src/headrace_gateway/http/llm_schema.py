"""What `/api/v1/llm/generate` and `/stream` accept: a prompt, and little beside it."""

from typing import Annotated

from pydantic import Field, StringConstraints

from headrace_common.errors import HeadraceError, Reason
from headrace_gateway.domain.completion import CompletionRequest, Sampling
from headrace_gateway.http.bodies import Body
from headrace_gateway.http.openai_generation import StopText
from headrace_gateway.http.openai_rules import ModelName

DEFAULT_MAX_TOKENS = 256


class GenerateBody(Body):
    """A text to go on with. Of temperature and top_p one may be below 1, not both."""

    model: ModelName
    prompt: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="At most 10,000 characters, unless this installation has another bound."
    )
    max_tokens: int = Field(default=DEFAULT_MAX_TOKENS, ge=1, le=4096)
    temperature: float = Field(default=1.0, ge=0, le=2, allow_inf_nan=False)
    top_p: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)
    n: int = Field(default=1, ge=1, le=5)
    stop: StopText | Annotated[list[StopText], Field(max_length=4)] = Field(default_factory=list)

    def domain(self, maximum_prompt_characters: int) -> CompletionRequest:
        """The request; raises INVALID_FIELD for what the schema cannot say."""
        characters = len(self.prompt)
        if characters > maximum_prompt_characters:
            raise _invalid(
                "prompt",
                f"it has {characters} characters; at most {maximum_prompt_characters} are allowed",
            )
        if self.temperature < 1 and self.top_p < 1:
            raise _invalid("top_p", "only one of temperature and top_p may be below 1")
        return CompletionRequest(self.model, self.prompt, self._sampling())

    def _sampling(self) -> Sampling:
        # A nucleus without any mass is the likeliest token alone, which engines call temperature 0.
        greedy = self.top_p == 0
        return Sampling(
            max_tokens=self.max_tokens,
            temperature=0.0 if greedy else self.temperature,
            top_p=None if greedy else self.top_p,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop),
            choices=self.n,
        )


def _invalid(param: str, rule: str) -> HeadraceError:
    message = f"Invalid value for '{param}': {rule}."
    return HeadraceError(Reason.INVALID_FIELD, message, param=param)
