"""What is remembered of a subject's failures, read and counted by one act at a time."""

from headrace_auth.domain.lockout import LockoutPolicy, LoginFailures, after_failure, wait_seconds
from headrace_auth.use_cases.acts import Act


async def failures_of(act: Act, subject: str) -> LoginFailures | None:
    """Until the act ends, nobody else counts or forgets them, be there any or not."""
    await act.alone(f"failures of {subject}")
    # Locked, too: whoever forgets them does not ask to be alone.
    return await act.of(LoginFailures).get(subject, lock=True)


async def count_failure(
    act: Act, subject: str, known: LoginFailures | None, policy: LockoutPolicy
) -> LoginFailures:
    """One more than `known`, which is what `failures_of` returned."""
    counted = after_failure(subject, known, act.now, policy)
    records = act.of(LoginFailures)
    await (records.put(counted) if known else records.add(counted))
    return counted


async def count_unless_waiting(act: Act, subject: str, policy: LockoutPolicy) -> float:
    """Count once more unless there is something to wait for; how long, in seconds."""
    known = await failures_of(act, subject)
    wait = wait_seconds(known, act.now)
    if wait <= 0:
        await count_failure(act, subject, known, policy)
    return wait
