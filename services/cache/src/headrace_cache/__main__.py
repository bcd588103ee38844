"""Start the service: `python -m headrace_cache`."""

from headrace_cache.app import run
from headrace_cache.settings import CacheSettings
from headrace_common.logs import configure_logging
from headrace_common.settings import load_settings


def main() -> None:
    """Load settings, configure logging, run."""
    settings = load_settings(CacheSettings)
    configure_logging("cache", settings.instance_name, settings.log_level)
    run(settings)


if __name__ == "__main__":
    main()
