"""Logins through identity providers in memory: calls at once end as if one after the other."""

import pytest

from headrace_auth.testing.federation import FederationWorld
from headrace_auth.testing.federation_suite import FederationRacesSuite


class TestFederationInMemory(FederationRacesSuite):
    @pytest.fixture
    def world(self, federation: FederationWorld) -> FederationWorld:
        return federation
