"""What all pages for people share: no script, nothing loaded, what others wrote is escaped."""

import base64
import hashlib
import html
from string import Template

from starlette.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark; --back: #f3f5f8; --card: #fff; --text: #18202b; --soft: #566072;
  --line: #c6cdd8; --field: #7a8494; --main: #1659c7; --on-main: #fff; --bad: #a3161b;
  --bad-back: #fdecec; }
@media (prefers-color-scheme: dark) { :root { --back: #11151b; --card: #1a2029; --text: #e8ecf2;
  --soft: #a5afbf; --line: #3b4554; --field: #707c8f; --main: #7db0ff; --on-main: #0b1626;
  --bad: #ffb3b0; --bad-back: #43191c; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: flex; padding: 1rem; background: var(--back);
  color: var(--text); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { width: 100%; max-width: 27rem; margin: auto; padding: 1.75rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem; overflow-wrap: anywhere; }
.brand { margin: 0 0 1rem; color: var(--soft); font-size: .875rem; font-weight: 600;
  letter-spacing: .06em; text-transform: uppercase; }
h1 { margin: 0 0 .75rem; font-size: 1.375rem; line-height: 1.3; }
ul { margin: .5rem 0 1rem; padding-left: 1.25rem; }
li { margin: .25rem 0; }
label { display: block; margin: .875rem 0 .25rem; font-weight: 600; }
input { width: 100%; padding: .625rem .75rem; color: inherit; background: var(--back);
  border: 1px solid var(--field); border-radius: .5rem; font: inherit; }
details { margin-top: .875rem; }
summary { color: var(--soft); cursor: pointer; }
.buttons { display: flex; gap: .75rem; margin: 1.5rem 0 1rem; }
button, .button { flex: 1; padding: .6875rem 1rem; border: 1px solid var(--field);
  text-align: center; border-radius: .5rem; background: transparent; color: inherit;
  font: inherit; font-weight: 600; cursor: pointer; text-decoration: none; }
.main { flex: 2; background: var(--main); border-color: var(--main); color: var(--on-main); }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
pre { margin: .5rem 0 1rem; padding: .75rem; background: var(--back); border-radius: .5rem;
  white-space: pre-wrap; }
.soft { margin: .5rem 0 0; color: var(--soft); font-size: .875rem; }
.bad { margin: 0 0 1rem; padding: .625rem .75rem; color: var(--bad); background: var(--bad-back);
  border-radius: .5rem; }
@media (max-width: 30rem) { body { padding: 0; background: var(--card); }
  main { margin: 0 auto; border: 0; padding: 1.5rem 1.25rem; } }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
$head<title>$title - Headrace</title>
<style>$style</style>
</head>
<body>
<main>
<p class="brand">Headrace</p>
$body
</main>
</body>
</html>
"""


class Html(str):
    """Text that is markup already, and not escaped again."""

    __slots__ = ()


def fill(template: str, **values: str) -> Html:
    """The template with these values, which are escaped unless they are markup."""
    escaped = {
        name: value if isinstance(value, Html) else html.escape(value)
        for name, value in values.items()
    }
    return Html(Template(template).substitute(escaped))


class Pages:
    """Makes pages, which nobody keeps; `form_action` says where their forms may go."""

    def __init__(self, *, form_action: str = "'none'") -> None:
        digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; form-action {form_action};"
            " base-uri 'none'; frame-ancestors 'none'"
        )
        self._headers = {
            "content-security-policy": policy,
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
        }

    def page(self, title: str, body: Html, *, status: int = 200, head: str = "") -> HTMLResponse:
        """The whole page around `body`."""
        page = fill(PAGE, title=title, body=body, head=head, style=Html(STYLE))
        return HTMLResponse(page, status_code=status, headers=self._headers)
