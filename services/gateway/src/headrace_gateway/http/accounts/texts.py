"""Texts that bodies and queries of administration have, with their bounds; `auth` has the rules."""

from typing import Annotated

from pydantic import StringConstraints

OptionalIdentifier = Annotated[str, StringConstraints(max_length=64)]
"""Empty for none."""
Model = Annotated[str, StringConstraints(max_length=200)]
"""Empty for all models."""
Word = Annotated[str, StringConstraints(min_length=1, max_length=30)]
"""One of a few that `auth` knows, for example a role."""
