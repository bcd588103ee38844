"""What must hold for every store's Announcements."""

from datetime import timedelta

import pytest

from headrace_auth.domain.announcements import OutboxEvent, Revocation
from headrace_auth.ports import Store
from headrace_auth.testing.directory import ACME, GLOBEX
from headrace_auth.testing.suites import NOW, keep


class AnnouncementsSuite:
    """Subclasses provide a fixture `empty_store`."""

    async def test_revocations_are_told_from_a_moment_on(self, empty_store: Store) -> None:
        async with empty_store.begin() as transaction:
            before = await transaction.now()
        moments = [before - timedelta(seconds=5), before + timedelta(seconds=5)]
        await keep(empty_store, *(Revocation(ACME, f"id{n}", at) for n, at in enumerate(moments)))
        told, now = await empty_store.announcements.revocations_since(before, None, 9)
        assert list(told) == [Revocation(ACME, "id1", moments[1])]
        assert now >= before

    @pytest.mark.parametrize("size", [1, 3, 8])
    async def test_pages_of_revocations_leave_none_out(self, empty_store: Store, size: int) -> None:
        moments = [NOW + timedelta(microseconds=step) for step in (1, 2, 2, 2, 3, 3, 4)]
        places = [ACME, GLOBEX] * 4
        ended = [Revocation(places[n], f"id{n % 4}{n}", at) for n, at in enumerate(moments)]
        await keep(empty_store, *reversed(ended))
        told: list[Revocation] = []
        after, read = None, empty_store.announcements.revocations_since
        while page := (await read(NOW, after, size))[0]:
            assert len(page) <= size
            told, after = [*told, *page], page[-1]
        assert told == sorted(ended, key=lambda each: each.place)

    async def test_events_wait_in_order_until_they_are_delivered(self, empty_store: Store) -> None:
        events = [OutboxEvent(_id(number), b"event %d" % number) for number in range(5)]
        await keep(empty_store, *reversed(events))
        announcements = empty_store.announcements
        assert list(await announcements.undelivered(2)) == events[:2]
        await announcements.delivered([event.event_id for event in events[:2]])
        assert list(await announcements.undelivered(9)) == events[2:]


def _id(number: int) -> str:
    return f"01900000-0000-7000-8000-0000000001{number:02d}"
