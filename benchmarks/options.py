"""The options that every benchmark takes."""

from pathlib import Path
from typing import Annotated

import typer

Prepare = Annotated[
    bool, typer.Option("--prepare", help="Install what the contestants need, and stop.")
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Take under a minute; says what it leaves out.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", dir_okay=False, help="Write all figures to this file.")
]
