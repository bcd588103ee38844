"""Bring the service's schema up to date and end: `python -m headrace_audit.migrate`."""

from headrace_audit.adapters.postgres import MIGRATIONS, SCHEMA
from headrace_audit.settings import AuditMigrationSettings
from headrace_common.logs import configure_logging
from headrace_common.migrations import run_migration
from headrace_common.settings import load_settings


def main() -> None:
    """Load settings, configure logging, migrate."""
    settings = load_settings(AuditMigrationSettings, part=True)
    configure_logging("audit", settings.instance_name, settings.log_level)
    run_migration(settings, MIGRATIONS, SCHEMA)


if __name__ == "__main__":
    main()
