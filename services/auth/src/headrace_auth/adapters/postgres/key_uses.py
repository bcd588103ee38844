"""Uses of keys, added in one statement."""

from collections.abc import Sequence

from sqlalchemy import text

from headrace_auth.adapters.postgres.database import Database
from headrace_auth.domain.api_keys import ApiKeyUse
from headrace_auth.ports import BATCHES_KEPT

# Two reports of one batch at once: the second waits for the first at its id, and then adds nothing.
# In the order of ids, so that reports of different batches never wait for each other in a circle.
ADD = text("""
WITH old AS (
    DELETE FROM auth.key_use_batches WHERE added_at < clock_timestamp() - CAST(:kept AS interval)
), batch AS (
    INSERT INTO auth.key_use_batches (id, added_at)
    VALUES (CAST(:batch_id AS uuid), clock_timestamp())
    ON CONFLICT DO NOTHING RETURNING id
), added AS (
    INSERT INTO auth.api_key_uses AS known (api_key_id, last_used_at, use_count)
    SELECT api_keys.id, used.last_used_at, used.use_count
    FROM batch, unnest(
        CAST(:ids AS text[]), CAST(:moments AS timestamptz[]), CAST(:counts AS bigint[])
    ) AS used (id, last_used_at, use_count)
    JOIN auth.api_keys ON api_keys.id = used.id
    ORDER BY api_keys.id
    ON CONFLICT (api_key_id) DO UPDATE SET
        last_used_at = greatest(known.last_used_at, excluded.last_used_at),
        use_count = known.use_count + excluded.use_count
)
SELECT count(*) FROM batch
""")


class PostgresKeyUses:
    """KeyUses over tables `api_key_uses` and `key_use_batches`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, batch_id: str, uses: Sequence[ApiKeyUse]) -> bool:
        values = {
            "kept": BATCHES_KEPT,
            "batch_id": batch_id,
            "ids": [use.api_key_id for use in uses],
            "moments": [use.last_used_at for use in uses],
            "counts": [use.use_count for use in uses],
        }
        async with self._database.writing() as connection:
            added = (await connection.execute(ADD, values)).scalar_one()
        return bool(added)
