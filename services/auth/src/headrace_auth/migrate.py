"""Bring the service's schema up to date and end: `python -m headrace_auth.migrate`."""

from headrace_auth.adapters.postgres.store import MIGRATIONS
from headrace_auth.adapters.postgres.tables import SCHEMA
from headrace_auth.settings import AuthMigrationSettings
from headrace_common.logs import configure_logging
from headrace_common.migrations import run_migration
from headrace_common.settings import load_settings


def main() -> None:
    """Load settings, configure logging, migrate."""
    settings = load_settings(AuthMigrationSettings, part=True)
    configure_logging("auth", settings.instance_name, settings.log_level)
    run_migration(settings, MIGRATIONS, SCHEMA)


if __name__ == "__main__":
    main()
