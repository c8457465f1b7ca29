"""The immutable types of Python and its standard library."""

from __future__ import annotations

import ipaddress
import re
import types
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

ATOMS: frozenset[type] = frozenset({
    int, float, str, bool, type(None), bytes, complex, type, type(...), type(NotImplemented), range, slice,
    date, datetime, time, timedelta, timezone, ZoneInfo, Decimal, Fraction, UUID, re.Pattern,
    type(Path()), PurePosixPath, PureWindowsPath, types.FunctionType, types.BuiltinFunctionType,
    ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network,
})  # fmt: skip
"""Exact types whose instances are immutable."""
EXACT = frozenset({int, str, bool, bytes, type(None)})
"""Types for which `==` between two instances of one type decides whether they are the same."""
