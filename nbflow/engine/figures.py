"""Figures of `matplotlib.pyplot`: separate figures for each attempt, and pictures of them in the event log.

pyplot has one list of open figures and one current figure for the whole process (`Gcf.figs`). This module replaces the
list by a mapping that forwards to the list of the current attempt, also in threads that its tool has started; all other
code uses the original list. So tools that run side by side never draw into each other's figures, and the figures of a
cell, and what Jupyter shows at the end of a cell, are separate from those of a tool.

A figure that is open when the tool ends, or when it calls `plt.show()`, becomes a PNG in an event. It is then closed,
and can be used as after `plt.close()`.

nbflow does not depend on matplotlib and never imports it: pyplot is patched after other code has imported it. The tests
run with matplotlib 3.9 to 3.11. Two private names are used, `_pylab_helpers.Gcf.figs` and `pyplot._get_backend_mod`; if
one of them is missing, pyplot is not patched.
"""

from __future__ import annotations

import base64
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from io import BytesIO
from types import ModuleType
from typing import Any

from nbflow.engine.attempt import Attempt, current_attempt

MOST, MOST_BYTES, SIDE = 20, 2_000_000, 1_600
"""The number of pictures of an attempt, the bytes of a picture, and the pixels of its longer side, at most."""
_PYPLOT = "matplotlib.pyplot"
_drawing = threading.Lock()  # the text rendering of matplotlib is not thread-safe


class _Figures:
    """The managers of open figures by number, like the OrderedDict that matplotlib uses; the active one is last."""

    def __init__(self, base: OrderedDict[Any, Any]) -> None:
        self.base = base

    def _own(self) -> OrderedDict[Any, Any]:
        attempt = current_attempt()
        if attempt is None:
            return self.base
        if attempt.figures is None:
            attempt.figures = OrderedDict()
        return attempt.figures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own(), name)  # all other methods: get, pop, values, move_to_end

    def __getitem__(self, number: Any) -> Any:
        return self._own()[number]

    def __setitem__(self, number: Any, manager: Any) -> None:
        self._own()[number] = manager

    def __delitem__(self, number: Any) -> None:
        del self._own()[number]

    def __contains__(self, number: Any) -> bool:
        return number in self._own()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._own())

    def __reversed__(self) -> Iterator[Any]:
        yield from reversed(self._own())

    def __len__(self) -> int:
        return len(self._own())

    def __eq__(self, other: object) -> bool:
        return self._own() == other

    def __copy__(self) -> OrderedDict[Any, Any]:
        return self._own().copy()

    __hash__ = None  # type: ignore[assignment]  # as of any dict


class _Backend:
    """The backend of pyplot inside a tool: `show` takes the figures as pictures."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def show(self, *_args: Any, **_settings: Any) -> None:
        """Take the open figures."""
        take_figures(current_attempt())

    def new_figure_manager(self, *args: Any, **settings: Any) -> Any:
        """Create a figure whose `show()` has no effect: an open figure becomes a picture at the end of the tool."""
        manager = self._backend.new_figure_manager(*args, **settings)
        vars(manager.canvas.figure).pop("show", None)  # Jupyter's backend displays the figure beneath the cell by this
        manager.show = _show_at_the_end
        return manager

    def draw_if_interactive(self, *_args: Any, **_settings: Any) -> None:
        """Do nothing: a picture is drawn once, when the figure is taken."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def _show_at_the_end() -> None:
    """Do nothing."""


def take_figures(attempt: Attempt | None) -> None:
    """Close the open figures of an attempt; while it runs, each becomes a picture of its node. Call in any thread."""
    if attempt is None or not attempt.figures:
        return
    figures, left_out = attempt.figures, 0
    while figures:
        manager = figures.popitem(last=False)[1]
        if not attempt.is_over:
            if attempt.pictures < MOST:
                attempt.pictures += 1
                _take(attempt, manager.canvas.figure)
            else:
                left_out += 1
        _close(manager)
    if left_out:
        attempt.log(f"{left_out} more figures were closed: a node shows {MOST} pictures an attempt\n", "stderr")


def _take(attempt: Attempt, figure: Any) -> None:
    try:
        data = _png(figure)
    except Exception as error:  # noqa: BLE001 - texts and artists of a figure may raise anything
        attempt.log(f"a figure could not be drawn: {type(error).__name__}: {error}\n", "stderr")
        return
    if len(data) > MOST_BYTES:
        attempt.log(f"a figure was closed: its picture has {len(data)} bytes, more than {MOST_BYTES}\n", "stderr")
        return
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    text = base64.b64encode(data).decode("ascii")
    attempt.picture({"mime": "image/png", "data": text, "width": width, "height": height})


def _png(figure: Any) -> bytes:
    """Return a figure as PNG; halve its resolution, up to twice, while it is too large."""
    dpi = min(float(figure.dpi), SIDE / max(*map(float, figure.get_size_inches()), 0.01))
    for part in (1, 2, 4):
        held = BytesIO()
        with _drawing:
            figure.savefig(held, format="png", dpi=dpi / part)
        if held.tell() <= MOST_BYTES:
            break
    return held.getvalue()


def _close(manager: Any) -> None:
    """Close a figure as pyplot does."""
    if hasattr(manager, "_cidgcf"):
        manager.canvas.mpl_disconnect(manager._cidgcf)
    manager.destroy()


class _Finder(MetaPathFinder):
    """Patches pyplot right after its import."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != _PYPLOT:
            return None
        others = [finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec")]
        spec = next((spec for finder in others if (spec := finder.find_spec(fullname, path, target))), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Preparing(spec.loader)
        return spec


class _Preparing(Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _prepare(module)


_finder = _Finder()


def install() -> None:
    """Give each attempt separate figures from now on, also if pyplot is imported later."""
    pyplot = sys.modules.get(_PYPLOT)
    if pyplot is not None and hasattr(pyplot, "_get_backend_mod"):
        _prepare(pyplot)
    elif _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Remove the patch of pyplot."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    pyplot: Any = sys.modules.get(_PYPLOT)
    backend = getattr(getattr(pyplot, "_get_backend_mod", None), "nbflow_wraps", None)
    if backend is not None:
        pyplot._get_backend_mod = backend
    helpers: Any = sys.modules.get("matplotlib._pylab_helpers")
    if helpers is not None and isinstance(helpers.Gcf.figs, _Figures):
        helpers.Gcf.figs = helpers.Gcf.figs.base


def _prepare(pyplot: Any) -> None:
    gcf = getattr(sys.modules.get("matplotlib._pylab_helpers"), "Gcf", None)
    backend_of = getattr(pyplot, "_get_backend_mod", None)
    if backend_of is None or hasattr(backend_of, "nbflow_wraps") or not isinstance(getattr(gcf, "figs", None), dict):
        return

    def _get_backend_mod() -> Any:
        backend = backend_of()
        return backend if current_attempt() is None else _Backend(backend)

    _get_backend_mod.nbflow_wraps = backend_of  # type: ignore[attr-defined]
    pyplot._get_backend_mod = _get_backend_mod
    gcf.figs = _Figures(gcf.figs)  # type: ignore[union-attr]
