"""What is held for the length of a `with` block, however that ends."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Leaving(ABC):
    """Calls `leave` at the end of the block; subclasses say what that gives back."""

    @abstractmethod
    def leave(self) -> None:
        """Give back what is held; once, however often it is called."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()
