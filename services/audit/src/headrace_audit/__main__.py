"""Start the service: `python -m headrace_audit`."""

from headrace_audit.app import run
from headrace_audit.settings import AuditSettings
from headrace_common.logs import configure_logging
from headrace_common.settings import load_settings


def main() -> None:
    """Load settings, configure logging, run."""
    settings = load_settings(AuditSettings)
    configure_logging("audit", settings.instance_name, settings.log_level)
    run(settings)


if __name__ == "__main__":
    main()
