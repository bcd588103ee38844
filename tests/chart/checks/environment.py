"""What pods are told in their environment is what the services' settings classes understand."""

import base64
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import get_args
from unittest.mock import patch

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError
from tests.chart.objects import Object, Objects, Pod, pods
from tests.stack.settings import SETTINGS

from headrace_audit.settings import AuditMigrationSettings, AuditSettings
from headrace_auth.settings import AuthMigrationSettings, AuthSettings
from headrace_common.settings import ServiceSettings
from headrace_gateway.settings import GatewaySettings

DATABASE = "postgresql+asyncpg://user:word@database:5432/headrace"
REDIS = "redis://redis:6379/0"
BYTES = base64.b64encode(bytes(32)).decode()
SECRETS = {
    "auth-database-url": DATABASE,
    "audit-database-url": DATABASE,
    "admission-redis-url": REDIS,
    "cache-redis-url": REDIS,
    "key-encryption-key": BYTES,
    "answer-signing-keys": BYTES,
    "identity-providers": "{}",
}
"""What a Secret of the chart could hold, by key; of any other key any text does."""
ANY_SECRET = "a-value-that-is-long-enough-for-anything"
FIELDS = {"status.podIP": "10.0.0.1", "status.hostIP": "10.0.0.2", "metadata.uid": "0-1"}
VARIABLE = re.compile(r"\$\(([A-Za-z0-9_]+)\)")
WRITABLE = ("emptyDir", "persistentVolumeClaim", "ephemeral")
KINDS: dict[str, type[ServiceSettings]] = {
    **SETTINGS,
    "auth-migration": AuthMigrationSettings,
    "audit-migration": AuditMigrationSettings,
}
PORTS = {"grpc_address": "grpc", "http_address": "http", "metrics_address": "metrics"}


def settings_exist(objects: Objects) -> list[str]:
    """Each `HEADRACE_<SERVICE>_<NAME>` is a field of that service's settings, told once.

    Services leave out what they do not know, so a misspelt one would change nothing, silently.
    """
    faults = []
    for pod in pods(objects):
        fields = SETTINGS[pod.service].model_fields if pod.service in SETTINGS else {}
        prefix = f"HEADRACE_{pod.service.upper()}_"
        for container in pod.containers:
            told = [env["name"] for env in container.get("env") or []]
            faults += [f"{pod.title}: {name} is told twice" for name in repeated(told)]
            faults += [
                f"{pod.title}: {name} is no setting of {pod.service}"
                for name in told
                if name.startswith("HEADRACE_") and name.removeprefix(prefix).lower() not in fields
            ]
    return faults


def repeated(items: list[str]) -> set[str]:
    return {item for item in items if items.count(item) > 1}


def settings_are_valid(objects: Objects) -> list[str]:
    """The service would start with them."""
    faults = []
    for pod in _services(objects):
        try:
            settings_of(pod)
        except ValidationError as error:
            faults += [
                f"{pod.title}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
                for fault in error.errors(include_input=False, include_url=False)
            ]
        except SettingsError as error:
            faults.append(f"{pod.title}: {error}")
    return faults


def settings_of(pod: Pod) -> ServiceSettings:
    """What the service makes of its environment; raises what it would end with.

    What may be missing from a Secret is there, if it makes sense with the rest: a password without
    a user does not.
    """
    try:
        return _settings(pod.component, frozenset(environment(pod.main).items()))
    except ValidationError:
        required = [env for env in pod.main.get("env") or [] if not _is_optional(env)]
        if len(required) == len(pod.main["env"]):
            raise
        return _settings(pod.component, frozenset(environment({"env": required}).items()))


def _is_optional(env: Object) -> bool:
    return bool(((env.get("valueFrom") or {}).get("secretKeyRef") or {}).get("optional"))


@cache
def _settings(component: str, variables: frozenset[tuple[str, str]]) -> ServiceSettings:
    with patch.dict(os.environ, dict(variables), clear=True):
        return KINDS[component]()


def environment(container: Object) -> dict[str, str]:
    """What the kubelet would set, with made-up values for what it would look up."""
    result: dict[str, str] = {}
    for env in container.get("env") or []:
        value = env["value"] if "value" in env else _looked_up(env["valueFrom"])
        result[env["name"]] = VARIABLE.sub(lambda found: result.get(found[1], found[0]), value)
    return result


def _looked_up(source: Object) -> str:
    if key := (source.get("secretKeyRef") or {}).get("key"):
        return SECRETS.get(key, ANY_SECRET)
    field = (source.get("fieldRef") or {}).get("fieldPath", "")
    return FIELDS.get(field, "a-name")


def _services(objects: Objects) -> list[Pod]:
    """With their migrations, which take less."""
    return [pod for pod in pods(objects) if pod.component in KINDS]


def valid_services(objects: Objects) -> Iterator[tuple[Pod, ServiceSettings]]:
    """Those whose settings are right; `settings_are_valid` tells of the others."""
    for pod in _services(objects):
        try:
            yield pod, settings_of(pod)
        except (ValidationError, SettingsError):
            continue


def services_listen_where_they_are_called(objects: Objects) -> list[str]:
    """The addresses in settings, or their defaults, are the pod's ports."""
    faults = []
    for pod, settings in valid_services(objects):
        for field, port in PORTS.items():
            address = getattr(settings, field, None)
            if address is None or not pod.running:
                continue
            host, _, number = address.rpartition(":")
            if pod.ports.get(port) != int(number) or host not in ("0.0.0.0", "[::]"):
                faults.append(f"{pod.title}: {field} is {address}, port {pod.ports.get(port)}")
    return faults


def secrets_come_from_secrets(objects: Objects) -> list[str]:
    """A secret in a manifest is one that everybody has read."""
    faults = []
    for pod in pods(objects):
        fields = SETTINGS[pod.service].model_fields if pod.service in SETTINGS else {}
        for container in pod.containers:
            for env in container.get("env") or []:
                name = env["name"].removeprefix(f"HEADRACE_{pod.service.upper()}_").lower()
                if "value" in env and name in fields and _is_secret(fields[name].annotation):
                    faults.append(f"{pod.title}: {env['name']} is in plain text")
    return faults


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)


def environments_are_their_own(objects: Objects) -> list[str]:
    """Kubernetes would add a variable for each Service: `HEADRACE_AUTH_PORT` and its like."""
    return [
        f"{pod.title}: is told of all Services by names that look like settings"
        for pod in pods(objects)
        if pod.spec.get("enableServiceLinks") is not False
    ]


def schemas_are_changed_by_migrations(objects: Objects) -> list[str]:
    """Either a Job changes a service's schema, and the service waits, or the service does it."""
    migrated = {pod.service for pod in pods(objects) if not pod.running}
    return [
        f"{pod.title}: migrate_on_start is {settings.migrate_on_start}"
        for pod, settings in valid_services(objects)
        if isinstance(settings, AuthSettings | AuditSettings)
        and settings.migrate_on_start == (pod.service in migrated)
    ]


def services_run_for_production(objects: Objects) -> list[str]:
    """Outside development, placeholders for secrets are refused."""
    return [
        f"{pod.title}: environment is {settings.environment}"
        for pod, settings in valid_services(objects)
        if settings.environment != "production"
    ]


def paths_are_mounted(objects: Objects) -> list[str]:
    """A file or folder in settings lies on a volume; what is written lies on one that can be."""
    faults = []
    for pod, settings in valid_services(objects):
        volumes = {each["name"]: each for each in pod.spec.get("volumes") or []}
        for name in settings.model_fields_set:
            path = getattr(settings, name)
            if not isinstance(path, Path):
                continue
            mount = mount_of(pod.main, str(path))
            if mount is None:
                faults.append(f"{pod.title}: {name} {path} is on no volume")
            elif name.endswith(("_directory", "_folder")):
                read_only = mount.get("readOnly") or not any(
                    kind in volumes.get(mount["name"], {}) for kind in WRITABLE
                )
                faults += [f"{pod.title}: {name} {path} cannot be written"] if read_only else []
    return faults


def mount_of(container: Object, path: str) -> Object | None:
    """The mount that a path lies on: of several the innermost."""
    found: list[Object] = [
        mount
        for mount in container.get("volumeMounts") or []
        if PurePosixPath(path).is_relative_to(mount["mountPath"])
    ]
    return max(found, key=lambda mount: len(mount["mountPath"]), default=None)


def gateway_settings(objects: Objects) -> Iterator[tuple[Pod, GatewaySettings]]:
    for pod, settings in valid_services(objects):
        if isinstance(settings, GatewaySettings):
            yield pod, settings


def file_in_config_map(objects: Objects, pod: Pod, path: str) -> str | None:
    """The text of a file that a pod has from one of the ConfigMaps."""
    mount = mount_of(pod.main, path)
    if mount is None:
        return None
    volume: Mapping[str, Object] = next(
        (each for each in pod.spec.get("volumes") or [] if each["name"] == mount["name"]), {}
    )
    name = (volume.get("configMap") or {}).get("name")
    for item in objects:
        if item["kind"] == "ConfigMap" and item["metadata"]["name"] == name:
            text: str | None = (item.get("data") or {}).get(PurePosixPath(path).name)
            return text
    return None
