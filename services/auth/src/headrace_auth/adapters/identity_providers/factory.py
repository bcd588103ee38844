"""The adapter for each configured identity provider."""

from headrace_auth.adapters.identity_providers.back_channel import BackChannel
from headrace_auth.adapters.identity_providers.github import GitHubProvider
from headrace_auth.adapters.identity_providers.oidc import OpenIdProvider
from headrace_auth.domain.federation import ProviderConfig, ProviderKind
from headrace_auth.ports import IdentityProvider
from headrace_common.clock import Clock


def create_identity_provider(
    config: ProviderConfig, channel: BackChannel, clock: Clock
) -> IdentityProvider:
    """Asks nobody yet: a provider that is down does not keep this service from starting."""
    if config.kind is ProviderKind.GITHUB:
        return GitHubProvider(config, channel)
    return OpenIdProvider(config, channel, clock)
