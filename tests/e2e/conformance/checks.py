"""One check of the conformance list, what it sends, and what must come back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from headrace_local.components import EMBEDDING_MODEL_ID, MODEL_ID

Case = Literal["default", "edge", "refusal"]
Key = Literal["own", "wrong", "one_model", "no_scope", "once"]
"""Whose key is sent: the stack's own, or one that may less."""

ABSENT = "<absent>"
"""Takes a field out of the body that is asked with elsewhere."""
DRAWN: dict[str, Any] = {"temperature": ABSENT}
"""At temperature 1, and so never from the cache."""
TOKENS = 4
BODIES: dict[str, dict[str, Any]] = {
    "chat.completions.create": {
        "model": MODEL_ID,
        "messages": [{"role": "user", "content": "Tell me about rivers."}],
        "max_completion_tokens": TOKENS,
        "temperature": 0,
    },
    "completions.create": {
        "model": MODEL_ID,
        "prompt": "One, two, three,",
        "max_tokens": TOKENS,
        "temperature": 0,
    },
    "embeddings.create": {"model": EMBEDDING_MODEL_ID, "input": "a river"},
    "models.list": {},
    "models.retrieve": {"model": MODEL_ID},
}
"""Deterministic, so that what does not change the answer is answered from the cache."""
KIND_OF_STATUS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    429: "RateLimitError",
}


@dataclass(frozen=True)
class Outcome:
    """What a client made of one call: an answer, the chunks of a stream, or an error."""

    status: int
    answer: Any = None
    chunks: list[Any] = field(default_factory=list)
    error: Any = None
    kind: str = ""
    """The class of the client's exception."""

    @property
    def choices(self) -> list[Any]:
        return list(self.answer["choices"])

    @property
    def texts(self) -> list[str]:
        """Of the choices of an answer that did not stream."""
        return [c["message"]["content"] if "message" in c else c["text"] for c in self.choices]

    @property
    def tokens(self) -> int:
        return int(self.answer["usage"]["completion_tokens"])

    @property
    def reasons(self) -> set[str]:
        return {choice["finish_reason"] for choice in self.choices}

    @property
    def indexes(self) -> list[int]:
        """Of a stream, whose choice each piece of text is."""
        pieces = [choice for chunk in self.chunks for choice in chunk["choices"]]
        return [c["index"] for c in pieces if c.get("delta", c).get("content") or c.get("text")]

    @property
    def turns(self) -> int:
        """How often a stream went from one choice to another."""
        return sum(before != after for before, after in pairwise(self.indexes))


@dataclass(frozen=True)
class Answer:
    """It is answered, and so. What is sent twice is asked about the two outcomes."""

    says: str
    holds: Callable[..., bool]
    times: int = 1

    def explain(self, outcomes: list[Outcome]) -> str:
        """What is wrong, or nothing."""
        if any(outcome.status != 200 for outcome in outcomes):
            return "it was refused"
        return "" if self.holds(*outcomes) else f"not as expected: {self.says}"


@dataclass(frozen=True)
class Refusal:
    """It is refused, with OpenAI's status and code, and the parameter by name."""

    code: str
    param: str | None
    status: int = 400
    times: int = 1

    @property
    def says(self) -> str:
        named = f" for `{self.param}`" if self.param else ""
        return f"{self.status} `{self.code}`{named}"

    def explain(self, outcomes: list[Outcome]) -> str:
        """What is wrong, or nothing; of several, the last one is refused."""
        last = outcomes[-1]
        if (last.status, last.kind) != (self.status, KIND_OF_STATUS[self.status]):
            return f"{last.status} {last.kind}"
        told = tuple(last.error[name] for name in ("type", "code", "param"))
        kind = "requests" if self.status == 429 else "invalid_request_error"
        if told != (kind, self.code, self.param):
            return f"the error says {told}"
        return "" if last.error["message"] else "the error says nothing"


@dataclass(frozen=True)
class Check:
    """A parameter in one of its cases. `send` is laid over the method's usual body."""

    method: str
    parameter: str
    case: Case
    send: dict[str, Any]
    expected: Answer | Refusal
    key: Key = "own"

    @property
    def body(self) -> dict[str, Any]:
        both = BODIES[self.method] | self.send
        return {name: value for name, value in both.items() if value != ABSENT}


class Method:
    """Writes the rows of one method of the clients."""

    def __init__(self, name: str) -> None:
        self._name = name

    def default(
        self, parameter: str, says: str, holds: Callable[..., bool], **beside: Any
    ) -> Check:
        """The parameter is not sent; what it needs to show itself stands beside it."""
        return self._answered(parameter, "default", beside, says, holds)

    def edge(
        self,
        parameter: str,
        send: dict[str, Any],
        says: str,
        holds: Callable[..., bool],
        **more: Any,
    ) -> Check:
        """The parameter is sent, at a bound of what is allowed or in an unusual form."""
        return self._answered(parameter, "edge", send, says, holds, **more)

    def refusal(
        self,
        parameter: str,
        send: dict[str, Any],
        code: str,
        param: str | None = ABSENT,
        *,
        status: int = 400,
        times: int = 1,
        key: Key = "own",
    ) -> Check:
        """It is refused, with the parameter as its `param` unless another is given."""
        named = parameter if param == ABSENT else param
        expected = Refusal(code, named, status, times)
        return Check(self._name, parameter, "refusal", send, expected, key)

    def _answered(
        self,
        parameter: str,
        case: Case,
        send: dict[str, Any],
        says: str,
        holds: Callable[..., bool],
        *,
        times: int = 1,
        key: Key = "own",
    ) -> Check:
        return Check(self._name, parameter, case, send, Answer(says, holds, times), key)
