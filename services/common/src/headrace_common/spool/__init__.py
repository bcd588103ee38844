"""A queue of byte records on disk that loses nothing when its process is killed, and its delivery.

Spool        append, read, acknowledge; bounded; one process per directory
Reservation  room for the record of work in progress, and what to record if the process is killed
Delivery     sends batches to a receiver until it takes them; sets hopeless records aside
keep_synced  syncs in groups
start_spool  both of them as background tasks of a Runtime, with a flush at the end
"""

from headrace_common.spool.cursor import Position
from headrace_common.spool.delivery import Delivery, Policy, Send
from headrace_common.spool.in_flight import Note
from headrace_common.spool.lifecycle import start_spool
from headrace_common.spool.reader import Record
from headrace_common.spool.spool import Limits, Reservation, Spool
from headrace_common.spool.syncing import keep_synced

__all__ = [
    "Delivery",
    "Limits",
    "Note",
    "Policy",
    "Position",
    "Record",
    "Reservation",
    "Send",
    "Spool",
    "keep_synced",
    "start_spool",
]
