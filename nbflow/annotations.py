"""Annotations and signatures of functions and classes, whose names may not be defined yet.

Since Python 3.14 (PEP 649) annotations are evaluated when they are first read, so that a name which is not defined yet
raises NameError there. Invariant: reading them through this module never raises for such a name. It gives the
annotations as texts, which is what `from __future__ import annotations` gives in every version of Python.
"""

from __future__ import annotations

import inspect
import operator
import sys
import types
from collections.abc import Callable
from typing import Any

if sys.version_info >= (3, 14):
    from annotationlib import Format, get_annotations

    def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
        """Return the annotations of a function; as texts where one of them cannot be evaluated yet."""
        try:
            return get_annotations(function)
        except Exception:  # noqa: BLE001 - an annotation is code of the user's
            return get_annotations(function, format=Format.STRING)

    def signature(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
        """Return the signature of a callable, as `inspect.signature` does.

        Raises:
            TypeError, ValueError: Python knows no signature of it.
        """
        try:
            return inspect.signature(function, follow_wrapped=follow_wrapped)
        except (TypeError, ValueError, NameError, AttributeError):  # the first two may come from an annotation, too
            return inspect.signature(function, follow_wrapped=follow_wrapped, annotation_format=Format.STRING)

    def annotated_by(function: types.FunctionType) -> object:
        """Return an object that is another one as soon as the function is given other annotations."""
        return function.__annotate__ or function.__annotations__

    def live_annotations(function: types.FunctionType) -> dict[str, Any]:
        """Return the dict that a function holds its annotations in; an empty one where they cannot be evaluated yet."""
        try:
            return function.__annotations__
        except Exception:  # noqa: BLE001 - as above
            return {}

else:
    annotations_of = inspect.get_annotations
    signature = inspect.signature
    annotated_by = live_annotations = operator.attrgetter("__annotations__")
