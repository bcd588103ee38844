"""What ends a command early, with the exit code that scripts can tell apart."""

REFUSED, USAGE, UNREACHABLE = 1, 2, 3


class CommandError(Exception):
    """The text is one line for the person at the terminal."""

    exit_code = REFUSED


class NotLoggedInError(CommandError):
    """No login is remembered."""

    def __init__(self) -> None:
        super().__init__("You are not logged in. Run `headrace login` first.")


class UsageError(CommandError):
    """What was typed cannot be meant."""

    exit_code = USAGE


class UnreachableError(CommandError):
    """Nobody answers there, or nobody who speaks this API."""

    exit_code = UNREACHABLE


class ApiError(CommandError):
    """The API refused."""

    def __init__(self, message: str, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
