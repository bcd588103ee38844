"""The errors of the local stack; each message is complete sentences for the person at the terminal.

LocalStackError
├── AlreadyRunningError
└── ComponentFailedError
"""


class LocalStackError(Exception):
    """Something that the reader can do something about; the message says what."""


class AlreadyRunningError(LocalStackError):
    """Another supervisor holds this state directory."""


class ComponentFailedError(LocalStackError):
    """A child process did not start, or died too often."""
