"""Start the service: `python -m headrace_inference`."""

from headrace_common.logs import configure_logging
from headrace_common.settings import load_settings
from headrace_inference.app import run
from headrace_inference.settings import InferenceSettings


def main() -> None:
    """Load settings, configure logging, run."""
    settings = load_settings(InferenceSettings)
    configure_logging("inference", settings.instance_name, settings.log_level)
    run(settings)


if __name__ == "__main__":
    main()
