"""The command line: `nbflow run FILE`, `nbflow serve FILE`, and what looks after runs.

Rule: a command is parse, call the session, show; what goes wrong is one message on standard error and exit code 1.
"""


def main() -> None:
    """Run the command line; the entry point of `nbflow`."""
    from nbflow.cli.errors import guarded, open_closed

    open_closed()
    with guarded():
        from nbflow.cli.app import app

        app(prog_name="nbflow")  # as which a shell completes it, however it was started
