"""The markup of the consent pages, for `string.Template`; all colours come in light and dark."""

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

QUESTION = """<h1>Let $client use Headrace in your name?</h1>
<p>The application <strong>$client</strong> was registered by the organisation
<strong>$organization</strong>, whose members can allow it to:</p>
<ul>
$scopes
</ul>
$message
<form method="post" action="/oauth2/authorize">
<input type="hidden" name="authorization_id" value="$authorization_id">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" value="$email" autocomplete="username" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<details$open>
<summary>I have a second factor</summary>
<label for="code">Its code, or a recovery code</label>
<input id="code" name="code" autocomplete="one-time-code" autocapitalize="none" spellcheck="false">
</details>
<div class="buttons">
<button class="main" name="decision" value="allow">Allow</button>
<button name="decision" value="deny" formnovalidate>Deny</button>
</div>
</form>
<p class="soft">Either way you are sent back to <strong>$destination</strong>. The application does
not see your password, and never gets more than you may do yourself. You can end what you allow at
any time, in the list of your sessions.</p>"""

BACK = """<h1>Back to the application</h1>
<p>You are on your way to <strong>$destination</strong>.</p>
<div class="buttons"><a class="button main" href="$location" rel="noreferrer">Continue</a></div>
<p class="soft">Your browser should go on by itself.</p>"""

FAILURE = """<h1>This does not work</h1>
<p class="bad" role="alert">$message</p>
<p>Nothing has been allowed. Go back to the application and start again.</p>"""

WRONG_REQUEST = """<h1>This does not work</h1>
<p class="bad" role="alert">$message</p>
<p>Nothing has been allowed. The link that brought you here would lead on to
<strong>$destination</strong>. Go there only if you know it.</p>
<div class="buttons"><a class="button" href="$location" rel="noreferrer">Go there</a></div>"""
