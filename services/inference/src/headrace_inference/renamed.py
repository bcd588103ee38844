"""A metric again, under another name."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Renamed:
    """A collector that reads another one at each scrape, so that nothing is counted twice."""

    def __init__(self, source: Collector, name: str) -> None:
        self._source = source
        self._name = name.removesuffix("_total")  # which a counter's samples have, not the counter

    def collect(self) -> Iterator[Metric]:
        for metric in self._source.collect():
            renamed = Metric(self._name, metric.documentation, metric.type)
            renamed.samples = [
                sample._replace(name=self._name + sample.name.removeprefix(metric.name))
                for sample in metric.samples
            ]
            yield renamed

    describe = collect
    """By which the registry knows the name, and refuses another metric of that name."""
