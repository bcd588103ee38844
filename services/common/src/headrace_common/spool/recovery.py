"""What a spool does with the files that an earlier process left, however it ended."""

import os
from collections import deque
from pathlib import Path

from headrace_common.logs import get_logger
from headrace_common.spool.cursor import Position
from headrace_common.spool.metrics import SpoolMetrics
from headrace_common.spool.segments import Segment, find_segments


def recover_segments(
    directory: Path, acknowledged: Position, metrics: SpoolMetrics
) -> tuple[deque[Segment], int]:
    """The segments that hold unacknowledged records, and the highest sequence number ever used.

    Removes what is acknowledged and cuts torn ends.
    """
    found = find_segments(directory)
    kept: deque[Segment] = deque()
    for segment in found:
        if segment.sequence >= acknowledged.sequence:
            start = acknowledged.offset if segment.sequence == acknowledged.sequence else 0
            _measure(segment, start, metrics, newest=segment is found[-1])
        if segment.records:
            kept.append(segment)
        else:
            segment.path.unlink()
    return kept, max([acknowledged.sequence, *(segment.sequence for segment in found)])


def _measure(segment: Segment, start: int, metrics: SpoolMetrics, *, newest: bool) -> None:
    end = min(start, segment.size)
    for record in segment.scan(end):
        segment.records += 1
        last = record.end
    if segment.records:
        end += last
    excess = segment.size - end
    segment.size = end
    if not excess:
        return
    os.truncate(segment.path, end)
    if newest:
        get_logger().warning("spool_torn_record_cut", size_bytes=excess)
    else:
        metrics.damaged.inc()
        get_logger().error("spool_damaged", size_bytes=excess)
