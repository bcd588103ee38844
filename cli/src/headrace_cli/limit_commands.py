"""`headrace limits`, `budgets`, `prices`: what may be used, and what it costs."""

from headrace_cli.rows import Command, Input
from headrace_cli.values import micros, price_table, whole

LIMITS, BUDGETS, PRICES = (f"/api/v1/{each}" for each in ("limits", "budgets", "prices"))
SUBJECT = Input("subject", "organization, team, user or api_key.")
PERIOD = Input("period", "day, week or month.")
KIND = Input("kind", "requests_per_minute, tokens_per_minute or concurrent_requests.")
OF_ORGANIZATION = Input(
    "organization_id", "Another one, for who runs this installation.", "--organization"
)
WHOSE = (
    Input("subject_id", "Of which one; your organization if not given.", "--id"),
    Input("model", "Of one model only.", "--model"),
    OF_ORGANIZATION,
)
LISTED = (
    Input("subject", SUBJECT.help, "--subject"),
    Input("subject_id", "Of one.", "--id"),
    OF_ORGANIZATION,
)
SAME_LIMIT = ("subject", "subject_id", "kind", "model")
SAME_BUDGET = ("subject", "subject_id", "period", "model")

LIMIT_COMMANDS = (
    Command(
        "list",
        "GET",
        LIMITS,
        "List limits of rates and concurrency.",
        LISTED,
        columns=("subject", "subject_id", "kind", "amount", "model"),
    ),
    Command(
        "set",
        "PUT",
        LIMITS,
        "Set a limit, for example `team requests_per_minute 600 --id TEAM`.",
        (SUBJECT, KIND, Input("amount", "At least 1.", parse=whole), *WHOSE),
        done="the limit is set",
        present=LIMITS,
        same=SAME_LIMIT,
    ),
    Command(
        "remove",
        "DELETE",
        LIMITS,
        "Lift a limit.",
        (SUBJECT, KIND, *WHOSE),
        done="the limit is lifted",
        present=LIMITS,
        same=SAME_LIMIT,
    ),
)
BUDGET_COMMANDS = (
    Command(
        "list",
        "GET",
        BUDGETS,
        "List budgets.",
        LISTED,
        columns=("subject", "subject_id", "amount_micros", "currency", "period", "model"),
    ),
    Command(
        "set",
        "PUT",
        BUDGETS,
        "Set a budget, for example `user 25.50 EUR month --id USER`.",
        (
            SUBJECT,
            Input("amount_micros", "For example 25.50.", parse=micros, label="AMOUNT"),
            Input("currency", "ISO 4217, for example EUR.", parse=str.upper),
            PERIOD,
            *WHOSE,
            Input("time_zone", "In which periods begin; UTC if not given.", "--time-zone"),
        ),
        done="the budget is set",
        present=BUDGETS,
        same=SAME_BUDGET,
    ),
    Command(
        "remove",
        "DELETE",
        BUDGETS,
        "Lift a budget.",
        (SUBJECT, PERIOD, *WHOSE),
        done="the budget is lifted",
        present=BUDGETS,
        same=SAME_BUDGET,
    ),
)
PRICE_COMMANDS = (
    Command(
        "show",
        "GET",
        PRICES,
        "See what models cost.",
        (Input("version", "Another than the one in force.", "--version", whole),),
    ),
    Command(
        "set",
        "POST",
        PRICES,
        "Add the next version of the price table, which `prices show --json` writes.",
        (Input("file", "JSON: currency, prices, effective_at.", parse=price_table, whole=True),),
        done="the price table is set",
        present=PRICES,
        same=(),
    ),
)
