"""Which errors of a model server send a request to another one, and which speak against it."""

from headrace_common.errors import HeadraceError, Kind, Reason

FAULTS = frozenset(
    {
        Reason.DEPENDENCY_UNAVAILABLE,
        Reason.NOT_SERVING,
        Reason.ENGINE_FAILED,
        Reason.INTERNAL,
        Reason.MODEL_NOT_FOUND,
    }
)
"""The server's own: so many of them in a row eject it. It was asked for a model that it told of."""

ELSEWHERE = FAULTS | {Reason.QUEUE_FULL}
"""Another server may answer. One that is merely busy is not ejected."""

TOO_MUCH_FOR_IT = frozenset({Kind.INVALID, Kind.TOO_LARGE})


def goes_elsewhere(error: HeadraceError, *, is_fallback: bool) -> bool:
    """Whether to ask another target, as long as nothing of an answer has reached the caller.

    What a fallback refuses, such as a prompt that is too long for a smaller model, is not the
    caller's fault, who asked for another one.
    """
    return error.reason in ELSEWHERE or (is_fallback and error.kind in TOO_MUCH_FOR_IT)
