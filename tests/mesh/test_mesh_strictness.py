"""The translator fails on whatever it does not translate, wherever it stands."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.mesh.conftest import VALUES
from tests.mesh.layout import Sidecars, lay_out
from tests.mesh.translator.fields import UntranslatedError, envoy_duration
from tests.mesh.translator.objects import NO_TRAFFIC, TRANSLATED, read
from tests.stack.helm import Object, render

ENVOYS_OWN = "value"
"""What an EnvoyFilter has Envoy read as it is; Envoy refuses what it does not know."""
Way = tuple[str | int, ...]


def translate(objects: list[Object], directory: Path) -> None:
    """All of it, as for the Envoys of the other tests."""
    directory.mkdir(exist_ok=True)
    for _ in Sidecars.fixed(lay_out(read(objects)), directory, directory).parts():
        pass


def places(value: Any, way: Way = ()) -> Iterator[Way]:
    """The ways to all objects in a value."""
    if isinstance(value, dict):
        yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inner:
        if isinstance(each, dict | list) and key != ENVOYS_OWN:
            yield from places(each, (*way, key))


def at(value: Any, way: Way) -> Any:
    for key in way:
        value = value[key]
    return value


def of_each_kind(objects: list[Object]) -> dict[str, tuple[int, Way]]:
    """One of all places that are alike, by a name for them."""
    found: dict[str, tuple[int, Way]] = {}
    for number, each in enumerate(objects):
        if each["kind"] in TRANSLATED:
            for way in places({"spec": each["spec"]}):
                names = [str(key) for key in way if isinstance(key, str)]
                found.setdefault("/".join([each["kind"], *names]), (number, way))
    return found


OBJECTS = render([VALUES])
PLACES = of_each_kind(OBJECTS)


def test_the_chart_has_objects_of_every_kind() -> None:
    assert {name.split("/")[0] for name in PLACES} == set(TRANSLATED)
    assert len(PLACES) > 60


@pytest.mark.parametrize("place", PLACES)
def test_a_field_that_nothing_translates_is_refused(place: str, tmp_path: Path) -> None:
    number, way = PLACES[place]
    objects = copy.deepcopy(OBJECTS)
    at(objects[number], way)["surprise"] = {"x": 1}
    with pytest.raises(UntranslatedError):
        translate(objects, tmp_path)


@pytest.mark.parametrize(
    "unknown",
    [
        {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry"},
        {"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication"},
        {"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin"},
    ],
    ids=lambda unknown: unknown["kind"],
)
def test_a_kind_that_nothing_translates_is_refused(unknown: Object) -> None:
    metadata = {"name": "surprise", "namespace": "headrace"}
    with pytest.raises(UntranslatedError, match=unknown["kind"]):
        read([*OBJECTS, {**unknown, "metadata": metadata, "spec": {}}])


def test_kinds_that_are_passed_over_have_a_reason() -> None:
    assert set(NO_TRAFFIC) & set(TRANSLATED) == set()
    assert all(reason for reason in NO_TRAFFIC.values())


@pytest.mark.parametrize(
    ("said", "envoys"),
    [("10s", "10.000s"), ("500ms", "0.500s"), ("1h30m", "5400.000s"), ("1.5s", "1.500s")],
)
def test_durations_are_envoys(said: str, envoys: str) -> None:
    assert envoy_duration(said, "x") == envoys


@pytest.mark.parametrize("said", ["10", "10 s", "s", "", "1d", "-1s", "10sec"])
def test_what_is_no_duration_is_refused(said: str) -> None:
    with pytest.raises(UntranslatedError, match="no duration"):
        envoy_duration(said, "x")
