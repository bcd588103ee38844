"""A pod's process, with the environment that the chart gives it, on ports of this machine."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.mesh.layout import Place
from tests.mesh.translator.objects import Rendered

from headrace_local import probes
from headrace_local.components import ADMISSION, CACHE, Component, Plan

GATEWAY_HTTP, GRPC, METRICS = 8080, 9000, 9464
Commands = Mapping[str, tuple[str, ...]]
"""What to run instead of a service, by the pod's name."""


@dataclass(frozen=True, slots=True)
class PodProcess:
    """Of one pod of a rendered chart."""

    rendered: Rendered
    place: Place
    plan: Plan
    files: Path
    """A directory of this pod's own."""

    @property
    def name(self) -> str:
        return self.place.pod.name

    @property
    def service(self) -> str:
        return str(self._container["name"])

    def component(self, commands: Commands) -> Component:
        """Ready as its readiness probe would find it."""
        ports = self.place.pod.application
        probe = probes.grpc_health(f"127.0.0.1:{ports[GRPC]}")
        if self.service == "gateway":
            probe = probes.http(f"http://127.0.0.1:{ports[GATEWAY_HTTP]}/api/v1/health/readiness")
        module = (sys.executable, "-u", "-m", f"headrace_{self.service}")
        return Component(
            self.name,
            commands.get(self.name, module),
            layer=2 if self.service == "gateway" else 1,
            probe=probe,
            environment=self.environment(),
            needs=("postgres", "redis", f"{self.name}-proxy"),
        )

    def environment(self) -> dict[str, str]:
        """The container's, with addresses on this machine, and without what another object of the
        chart would have done: a Job that migrates, an owner who bootstraps."""
        prefix = f"HEADRACE_{self.service.upper()}_"
        ports = self.place.pod.application
        here = {
            "GRPC_ADDRESS": f"127.0.0.1:{ports[GRPC]}",
            "METRICS_ADDRESS": f"127.0.0.1:{ports[METRICS]}",
            "INSTANCE_NAME": self.name,
            **self._own_settings(),
        }
        said = dict(self._said())
        return {**said, **{f"{prefix}{name}": value for name, value in here.items()}}

    def _own_settings(self) -> dict[str, str]:
        if self.service == "gateway":
            return {
                "HTTP_ADDRESS": f"127.0.0.1:{self.place.pod.application[GATEWAY_HTTP]}",
                "SPOOL_DIRECTORY": str(self.files),
                "ROUTES_FILE": str(self._routes()),
            }
        if self.service in ("auth", "audit"):
            owner = self.plan.credentials
            bootstrap = {"BOOTSTRAP_EMAIL": owner.email, "BOOTSTRAP_PASSWORD": owner.password}
            own = {"ISSUER": self.plan.url, **bootstrap} if self.service == "auth" else {}
            return {"MIGRATE_ON_START": "true", **own}
        return {}

    @property
    def _container(self) -> Mapping[str, Any]:
        container: Mapping[str, Any] = self.place.caller.workload.template["containers"][0]
        return container

    def _said(self) -> Iterator[tuple[str, str]]:
        localise = self._localiser()
        secrets = self._secrets()
        for each in self._container["env"]:
            if "value" in each:
                yield each["name"], localise(each["value"])
                continue
            reference = each["valueFrom"]["secretKeyRef"]
            if reference["key"] in secrets:
                yield each["name"], secrets[reference["key"]]
            else:
                assert reference["optional"], each

    def _secrets(self) -> dict[str, str]:
        """The Secret that whoever installs the chart makes."""
        return {
            "auth-database-url": self.plan.database_url(),
            "audit-database-url": self.plan.database_url(),
            "admission-redis-url": self.plan.redis_url(ADMISSION),
            "cache-redis-url": self.plan.redis_url(CACHE),
            "key-encryption-key": self.plan.credentials.key_encryption_key,
        }

    def _routes(self) -> Path:
        """The route table of the chart's ConfigMap."""
        path = self.files / "routes.yaml"
        text = self.rendered.config_maps["headrace-routes"]["routes.yaml"]
        assert yaml.safe_load(text)["models"]
        path.write_text(self._localiser()(text))
        return path

    def _localiser(self) -> Callable[[str], str]:
        """Replaces each Service's address by the port where this pod finds its proxy."""
        doors, proxy = self.place.caller.doors, self.place.caller.address
        names = {host.split(".")[0]: host for host, _ in doors}
        domain = r"(?:\.[a-z0-9-]+\.svc(?:\.cluster\.local)?)?"
        alternatives = "|".join(map(re.escape, sorted(names, key=len, reverse=True))) or "(?!)"
        address = re.compile(rf"(?<![\w.-])({alternatives}){domain}:(\d+)(?!\d)")
        return lambda text: address.sub(
            lambda found: f"{proxy}:{doors[names[found[1]], int(found[2])]}", text
        )
