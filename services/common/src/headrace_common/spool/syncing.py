"""The background task that makes appended records outlive the machine, many with one sync."""

import asyncio

from headrace_common.spool.spool import Spool


async def keep_synced(
    spool: Spool, *, interval_seconds: float = 0.05, probe_seconds: float = 1.0
) -> None:
    """Sync off the event loop, at most once per interval, until cancelled.

    A lost machine loses what was appended within one interval plus the running sync. After the disk
    failed, it is probed until it takes data again.
    """
    while True:
        await spool.unsynced.wait()
        await asyncio.sleep(probe_seconds if spool.failed else interval_seconds)
        spool.unsynced.clear()
        try:
            if spool.failed:
                await asyncio.to_thread(spool.probe)
                spool.catch_up()
            await asyncio.to_thread(spool.sync)
        except OSError as error:
            spool.fail(error)
