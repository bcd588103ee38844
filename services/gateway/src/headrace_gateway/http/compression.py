"""gzip, where an installation wants it: documents and answers of models, and no streams.

Never what has secrets beside text that a stranger chose (keys, tokens, the pages of logins): the
size of a compressed answer would tell of them (BREACH).
"""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

COMPRESSED = ("/v1/", "/docs", "/redoc", "/openapi.json")
LEVEL = 4
"""Of JSON nearly as small as at 9, in a third of the time."""


class Compression:
    """Streams of events stay as they are: a compressor would hold their tokens back."""

    def __init__(self, app: ASGIApp, minimum_bytes: int) -> None:
        self._app = app
        self._compressing = GZipMiddleware(app, minimum_size=minimum_bytes, compresslevel=LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = scope["type"] == "http" and scope["path"].startswith(COMPRESSED)
        await (self._compressing if chosen else self._app)(scope, receive, send)
