"""For every test of the repository."""

from hypothesis import settings


def pytest_configure() -> None:
    """No example of a property has a deadline: how fast this machine is proves nothing."""
    settings.register_profile("untimed", settings.default, deadline=None)
    settings.load_profile("untimed")
