"""The parameters of every list."""

from pydantic import BaseModel, ConfigDict, Field


class Page(BaseModel):
    """`?page_size=...&page_token=...`."""

    model_config = ConfigDict(frozen=True)

    page_size: int = Field(default=50, ge=1, le=100)
    page_token: str = Field(default="", max_length=200)
