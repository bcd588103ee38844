"""What the gateway can be told about connections, hosts and browsers."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from headrace_common.settings import ServiceSettings


def _proxies(value: str) -> str:
    """Whom the server would not understand, it would silently not trust."""
    for entry in filter(None, (part.strip() for part in value.split(","))):
        try:
            ipaddress.ip_network(entry)
        except ValueError as error:
            raise ValueError(
                "addresses and networks are separated by commas, for example 10.0.0.0/8,::1"
            ) from error
    return value


Proxies = Annotated[str, AfterValidator(_proxies)]
HostPattern = Annotated[
    str,
    StringConstraints(
        pattern=r"^((\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])$", max_length=253
    ),
]
"""In lower case and without a port."""
Origin = Annotated[
    str, StringConstraints(pattern=r"^(\*|https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?)$")
]
"""As browsers write it (RFC 6454): without a path, in lower case."""
HttpsUrl = Annotated[
    str, StringConstraints(pattern=r"^(https://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?)?$")
]


class EdgeSettings(ServiceSettings):
    """Settings of the HTTP port, without those of what requests take."""

    trusted_proxies: Proxies = "127.0.0.1"
    """Whose `x-forwarded-for` and `x-forwarded-proto` are believed, with commas between."""
    trusted_hosts: tuple[HostPattern, ...] = ()
    """What `Host` may be, `*.example.org` with all below it; none: anything. A JSON list."""
    https_redirect_url: HttpsUrl = ""
    """Where requests are sent that came without TLS, as the trusted proxy tells; or nowhere."""
    cors_allowed_origins: tuple[Origin, ...] = ()
    """Web sites whose scripts may call, for example `https://chat.example.org`. A JSON list."""
    gzip_minimum_bytes: int | None = Field(default=None, ge=256)
    """Size from which documents and models' whole answers are compressed; by default none is."""

    maximum_connections: int = Field(default=4096, ge=1)
    """A further one is closed at once."""
    maximum_headers: int = Field(default=128, ge=16)
    """Of one request; more than a proxy in front lets pass, since it adds some."""
    maximum_head_bytes: int = Field(default=64 * 1024, ge=4096)
    """Of one request line with its headers."""
    head_timeout_seconds: float = Field(default=10.0, gt=0)
    """How long these may take to arrive, and a new connection may be silent."""
