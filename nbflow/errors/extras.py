"""The commands that install nbflow and its extras.

Invariant: every message that names such a command is composed here, and none names the package `nbflow` of the package
index, which is another project's.
"""

DISTRIBUTION = "jupyter-nbflow"
"""The name of nbflow among installed distributions; the package that is imported is `nbflow`."""
UPGRADE = "git pull && pip install -e . in your clone of nbflow"
"""The commands that install the newest version, and where they run."""


def install(extra: str) -> str:
    """Return the command that installs an extra, and where it runs.

    nbflow is not on the package index yet, so that the command installs from a clone.
    """
    return f"pip install -e '.[{extra}]' in your clone of nbflow"


def needs(feature: str, extra: str) -> str:
    """Return the message that a feature needs an extra which is not installed, with the command that installs it."""
    return f"{feature} needs the extra {extra!r}: {install(extra)}"
