"""Every values file of `ci/` renders objects that no check finds a fault with."""

import pytest
from tests.chart.catalogue import checks
from tests.chart.charts import NAMES, rendered

CHECKS = sorted(checks("default"))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_no_check_finds_a_fault(name: str, check: str) -> None:
    assert checks(name)[check](rendered(name)) == []
