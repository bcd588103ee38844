"""Administration in memory passes the suite."""

from headrace_auth.testing.administration_suite import AdministrationSuite


class TestAdministrationInMemory(AdministrationSuite):
    pass
