"""What an adapter raises inside when a provider's answer is a refusal or cannot be believed."""

import re

_CODE = re.compile(r"[a-z0-9_]{1,60}")


class UnbelievableError(Exception):
    """`code` goes to the log and nowhere else; of a provider's own words only plain ones do."""

    def __init__(self, code: object) -> None:
        self.code = code if isinstance(code, str) and _CODE.fullmatch(code) else "other"
        super().__init__(self.code)
