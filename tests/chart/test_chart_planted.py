"""Every check can fail: a fault that is planted into rendered objects is reported."""

import pytest
from tests.chart import (
    plants_connections,
    plants_isolation,
    plants_kubernetes,
    plants_mesh,
    plants_pods,
    plants_typos,
)
from tests.chart.catalogue import checks
from tests.chart.planting import Plant, planted

FAULTS = (
    *plants_connections.PLANTS,
    *plants_isolation.PLANTS,
    *plants_kubernetes.PLANTS,
    *plants_mesh.PLANTS,
    *plants_pods.PLANTS,
    *plants_typos.PLANTS,
)


@pytest.mark.parametrize("plant", FAULTS, ids=str)
def test_a_planted_fault_is_found(plant: Plant) -> None:
    faults = checks(plant.values)[plant.check](planted(plant))
    assert any(plant.says in fault for fault in faults), faults


def test_every_check_has_a_planted_fault_that_it_must_find() -> None:
    assert {plant.check for plant in FAULTS} == set(checks("default"))
