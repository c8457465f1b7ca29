"""A kernel per test module, with nbflow loaded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernels import Kernel


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    kernel = Kernel({"NBFLOW_DETERMINISTIC": ""})
    kernel.ok("%load_ext nbflow")
    yield kernel
    kernel.close()
