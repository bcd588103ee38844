"""Start the service: `python -m headrace_gateway`."""

from headrace_common.logs import configure_logging
from headrace_common.settings import load_settings
from headrace_gateway.app import run
from headrace_gateway.settings import GatewaySettings


def main() -> None:
    """Load settings, configure logging, run."""
    settings = load_settings(GatewaySettings)
    configure_logging("gateway", settings.instance_name, settings.log_level)
    run(settings)


if __name__ == "__main__":
    main()
