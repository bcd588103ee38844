"""Runs the command line of the local stack: `python -m headrace_local up`."""

from headrace_local.cli import app

if __name__ == "__main__":
    app()
