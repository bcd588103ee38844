"""Which hosts are served here, and where plain HTTP is sent, if an installation says so."""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote

from starlette.types import Scope

from headrace_common.errors import HeadraceError, Reason

PATH_SAFE = "/:@!$&'()*+,;=-._~"
"""What a path may hold as it is (RFC 3986, section 3.3)."""


@dataclass(frozen=True, slots=True)
class Addressing:
    """No hosts: every host is served. No URL: plain HTTP is served as well."""

    trusted_hosts: Collection[str] = ()
    """In lower case, without ports; `*.example.org` stands for all below it."""
    https_url: str = ""
    """Of the same API over HTTPS; no header of a request has a say in it."""

    def check(self, scope: Scope) -> None:
        """Raises INVALID_FIELD for a request to another host."""
        if self.trusted_hosts and not self._is_served(_host(scope)):
            raise HeadraceError(Reason.INVALID_FIELD, "This host is not served here.", param="host")

    def elsewhere(self, scope: Scope) -> str | None:
        """Where a request over plain HTTP is to go; its scheme is that of a trusted proxy."""
        if not self.https_url or scope["scheme"] != "http":
            return None
        query = scope["query_string"].decode("latin-1")
        target = self.https_url.rstrip("/") + quote(scope["path"], safe=PATH_SAFE)
        return f"{target}?{quote(query, safe=PATH_SAFE + '?%')}" if query else target

    def _is_served(self, host: str) -> bool:
        if host in self.trusted_hosts:
            return True
        _, _, parent = host.partition(".")
        while parent:
            if f"*.{parent}" in self.trusted_hosts:
                return True
            _, _, parent = parent.partition(".")
        return False


def _host(scope: Scope) -> str:
    """Without its port, or nothing if there is not exactly one."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return ""
    host: str = hosts[0].decode("latin-1").lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].removesuffix(".")
