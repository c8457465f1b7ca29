"""Execute the steps of a Dockerfile one by one, without a container engine.

Invariant: each stage is a folder and a virtual environment instead of an image; the paths of the stage are folders in it.
Every step of the file is executed; a step of an unknown kind is an error.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_PATHS = re.compile(r"(?<![\w.])/(src|wheels|flows|data)\b")
_CACHES = "PIP_NO_CACHE_DIR"
"""It reduces the size of an image; here it would only download every package again."""


@dataclass
class Step:
    """A line of a Dockerfile; `words` are split as a shell splits them."""

    kind: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def steps_of(file: Path) -> list[Step]:
    """Read a Dockerfile."""
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def health_of(step: Step) -> list[str]:
    """Return the command of a HEALTHCHECK in its exec form."""
    command: list[str] = json.loads(step.text[step.text.index("CMD") + 3 :])
    return command


class Ignored:
    """The paths that a .dockerignore excludes. The last pattern that matches a path or one of its folders decides."""

    def __init__(self, file: Path) -> None:
        lines = [line.strip() for line in file.read_text().splitlines()]
        self._patterns = [line for line in lines if line and not line.startswith("#")]

    def __call__(self, path: str) -> bool:
        above = [path, *map(str, PurePosixPath(path).parents)]
        fitting = [pattern for pattern in self._patterns if any(map(_pattern(pattern).fullmatch, above))]
        return bool(fitting) and not fitting[-1].startswith("!")


def _pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*)", pattern.removeprefix("!"))
    return re.compile("".join({"**/": "(?:.*/)?", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts))


@dataclass
class Stage:
    """The state of a stage after its last step."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    def here(self, text: str) -> str:
        """Return a text with the stage's paths replaced by those on this machine."""
        return _PATHS.sub(lambda found: f"{self.root}{found[0]}", text)

    def variables(self) -> dict[str, str]:
        """Return the environment of the stage's processes: from this process it takes only the settings for package downloads."""
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        told = {name: self.here(value) for name, value in self.environment.items() if name != _CACHES}
        path = f"{self.root}/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {**kept, "PATH": path, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", **told}

    def place(self, text: str) -> Path:
        """Return the path on this machine of a path of the stage."""
        inner = text if text.startswith("/") else f"{self.workdir}/{text}"
        return self.root / inner.lstrip("/")


class Build:
    """The stages of a Dockerfile, built in a folder with a Python of this machine."""

    def __init__(self, file: Path, context: Path, folder: Path, python: str) -> None:
        self._context, self._folder, self._python = context, folder, python
        self._ignored = Ignored(file.with_name(f"{file.name}.dockerignore"))
        self._stages: dict[str, Stage] = {}
        for step in steps_of(file):
            getattr(self, f"_{step.kind.lower()}")(step)

    @property
    def last(self) -> Stage:
        """The stage that becomes the image."""
        return list(self._stages.values())[-1]

    def __getitem__(self, name: str) -> Stage:
        return self._stages[name]

    def _from(self, step: Step) -> None:
        name = step.words[-1] if "AS" in step.words else str(len(self._stages))
        stage = self._stages[name] = Stage(self._folder / name)
        stage.root.mkdir()
        subprocess.run([self._python, "-m", "venv", stage.root / "venv"], check=True)

    def _workdir(self, step: Step) -> None:
        self.last.workdir = step.text
        self.last.place(".").mkdir(parents=True, exist_ok=True)

    def _copy(self, step: Step) -> None:
        *sources, target = step.words
        stage, place = self.last, self.last.place(target)
        if sources[0].startswith("--from="):
            other = self._stages[sources.pop(0).removeprefix("--from=")]
            found = [other.place(source) for source in sources]
        else:
            found = [self._context / source for source in sources]
        for path in found:
            if path.is_dir():
                shutil.copytree(path, place, ignore=self._left_out, dirs_exist_ok=True)
            else:
                shutil.copy(path, place)
        assert stage.root in place.parents

    def _left_out(self, folder: str, names: list[str]) -> set[str]:
        if not Path(folder).is_relative_to(self._context):
            return set()
        at = Path(folder).relative_to(self._context)
        return {name for name in names if self._ignored((at / name).as_posix())}

    def _run(self, step: Step) -> None:
        stage = self.last
        command = ["/bin/sh", "-c", stage.here(step.text)]
        done = subprocess.run(
            command, cwd=stage.place("."), env=stage.variables(), capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"RUN {step.text}\n{done.stdout}{done.stderr}"

    def _env(self, step: Step) -> None:
        self.last.environment |= dict(word.split("=", 1) for word in step.words)

    def _user(self, step: Step) -> None:
        self.last.user = step.text

    def _volume(self, step: Step) -> None:
        self.last.volumes += step.words

    def _expose(self, step: Step) -> None:
        assert step.text == "8765"

    def _healthcheck(self, step: Step) -> None:
        self.last.health = health_of(step)

    def _cmd(self, step: Step) -> None:
        self.last.command = json.loads(step.text)
