"""Runs that a session has let go of: the store still has them, and memory has not."""

from __future__ import annotations

import asyncio
import gc
import weakref

from nbflow.session import Session


def test_a_kept_run_that_was_let_go_is_in_the_store_and_nowhere_else() -> None:
    made = Session()
    made.graph("nothing", "pass")

    async def ran() -> tuple[str, weakref.ref[object]]:
        run = made.start("nothing", {}, durability="async")
        await made.stored(run)
        await run.wait()
        return run.id, weakref.ref(run)

    run_id, left = asyncio.run(ran())
    made.history.close()  # by now all of it is written
    made.forget(0)
    gc.collect()

    assert left() is None
    assert made.read(run_id).status == "completed"
    made.history.close()
