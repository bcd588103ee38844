"""The markup of the consent pages, for `string.Template`."""

QUESTION = """<h1>Let $client use Headrace in your name?</h1>
<p>The application <strong>$client</strong> was registered by the organization
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
