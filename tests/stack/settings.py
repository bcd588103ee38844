"""What each service can be told: its settings, by its name."""

from collections.abc import Mapping
from types import MappingProxyType

from headrace_audit.settings import AuditSettings
from headrace_auth.settings import AuthSettings
from headrace_cache.settings import CacheSettings
from headrace_common.settings import ServiceSettings
from headrace_gateway.settings import GatewaySettings
from headrace_inference.settings import InferenceSettings

SETTINGS: Mapping[str, type[ServiceSettings]] = MappingProxyType(
    {
        "gateway": GatewaySettings,
        "auth": AuthSettings,
        "cache": CacheSettings,
        "audit": AuditSettings,
        "inference": InferenceSettings,
    }
)
