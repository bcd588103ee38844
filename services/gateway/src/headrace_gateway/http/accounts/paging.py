"""The parameters of every list."""

from pydantic import Field

from headrace_gateway.http.bodies import Query


class Page(Query):
    """`?page_size=...&page_token=...`."""

    page_size: int = Field(default=50, ge=1, le=100)
    page_token: str = Field(default="", max_length=200)
