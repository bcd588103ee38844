"""Runs a spool inside a process: syncing, delivery, and an orderly end."""

from functools import partial

from headrace_common.runtime import Runtime
from headrace_common.spool.delivery import DEFAULT_POLICY, Delivery, Policy, Send
from headrace_common.spool.spool import Spool
from headrace_common.spool.syncing import keep_synced


def start_spool(
    runtime: Runtime,
    spool: Spool,
    send: Send,
    *,
    policy: Policy = DEFAULT_POLICY,
    flush_seconds: float = 10.0,
) -> None:
    """Sync and deliver in the background until the runtime stops; then flush and close the spool.

    Call it after making what `send` needs and before starting what appends, so that at shutdown the
    last append comes first, then the flush, and `send` loses its channel last.
    """

    async def close() -> None:
        spool.close()

    delivery = Delivery(spool, send, policy)
    runtime.on_stop("spool", close)
    runtime.start_task("spool sync", keep_synced(spool))
    runtime.on_stop("spool flush", partial(delivery.flush, flush_seconds))
    runtime.start_task("spool delivery", delivery.run())
