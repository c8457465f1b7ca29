"""The page at `/`: graphs, runs and the live view.

The files are those of the folder `page` and the front end of the view. A requested name is looked up among these and is
never part of a path.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as InPath
from starlette.exceptions import HTTPException
from starlette.responses import Response

from nbflow.view.render.bundle import bundle

router = APIRouter(include_in_schema=False)
_HOME = Path(__file__).parent.parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


@cache
def files() -> dict[str, str]:
    """Return the files of the page as texts, by name."""
    module, sheet = bundle()
    own = {path.name: path.read_text("utf-8") for path in _HOME.iterdir() if path.suffix in _TYPES}
    return {**own, "view.js": module, "view.css": sheet}


@router.get("/")
async def get_page() -> Response:
    """Return the page."""
    return _sent("index.html")


@router.get("/assets/{name}")
async def get_asset(name: Annotated[str, InPath(max_length=100)]) -> Response:
    """Return a module or a style of the page."""
    if name not in files():
        raise HTTPException(404)
    return _sent(name)


def _sent(name: str) -> Response:
    return Response(files()[name], media_type=_TYPES[Path(name).suffix])
