"""Start the service: `python -m headrace_auth`."""

from headrace_auth.app import run
from headrace_auth.settings import AuthSettings
from headrace_common.logs import configure_logging
from headrace_common.settings import load_settings


def main() -> None:
    """Load settings, configure logging, run."""
    settings = load_settings(AuthSettings)
    configure_logging("auth", settings.instance_name, settings.log_level)
    run(settings)


if __name__ == "__main__":
    main()
