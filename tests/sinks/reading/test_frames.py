"""Frames made from Arrow tables."""

from __future__ import annotations

import pytest

from watlowlib.sinks.reading.frames import system_memory


def test_arrow_has_the_programs_pool_again_after_a_failure() -> None:
    pa = pytest.importorskip("pyarrow")
    before = pa.default_memory_pool().backend_name
    with pytest.raises(OSError, match="disk"), system_memory():
        assert pa.default_memory_pool().backend_name == "system"
        raise OSError("the disk is gone")
    assert pa.default_memory_pool().backend_name == before
