"""The command line: `nbflow run FILE`, `nbflow serve FILE`, and commands for stored runs.

A command parses its arguments, calls the session, and shows the result. An error is one message on standard error and
exit code 1.
"""


def main() -> None:
    """Run the command line; the entry point of `nbflow`."""
    from nbflow.cli.errors import guarded, open_closed

    open_closed()
    with guarded():
        from nbflow.cli.app import app

        app(prog_name="nbflow")  # the name that a shell completes, also for `python -m nbflow`
