"""A tool is looked up at each attempt, so every later attempt uses a redefined one."""

from __future__ import annotations

import asyncio
from typing import Any

from running import engine_of, graph


def version(number: int) -> Any:
    async def tool(n: int = 0) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"n": n + 1, "seen": number}

    return tool


def test_a_redefined_tool_is_used_by_what_starts_after_it_in_this_run_too() -> None:
    async def main() -> None:
        engine = engine_of()
        engine.registry.register("work", version(1))

        async def redefines() -> None:
            engine.registry.register("work", version(2))

        engine.registry.register("redefines", redefines)
        started = engine.start(graph("a = work\nb = work\na -> redefines -> b"))
        result = await started

        assert result.state == {"n": 2, "seen": 2}
        told = {e.node: (e.data["tool"], e.data["version"]) for e in started.events if e.kind == "node_start"}
        assert (told["a"], told["b"]) == (("work", 1), ("work", 2))

    asyncio.run(main())


def test_a_retry_uses_the_tool_as_it_is_then() -> None:
    async def main() -> None:
        engine = engine_of()

        async def broken() -> None:
            raise ValueError

        async def mended() -> int:
            return 1

        engine.registry.register("work", broken)
        started = engine.start(graph("work [retries=2, backoff=0.01]"))
        while not any(event.kind == "node_retry" for event in started.events):
            await asyncio.sleep(0)
        engine.registry.register("work", mended)

        assert (await started).state == {"work": 1}
        assert [event.data["version"] for event in started.events if event.kind == "node_start"] == [1, 2]

    asyncio.run(main())


def test_a_started_attempt_continues_with_the_function_it_had() -> None:
    async def main() -> None:
        engine = engine_of()
        engine.registry.register("work", version(1))
        started = engine.start(graph("work"))
        await asyncio.sleep(0)
        engine.registry.register("work", version(2))
        assert (await started).state["seen"] == 1

    asyncio.run(main())


def test_a_tool_may_become_sync_in_the_midst_of_a_run() -> None:
    async def main() -> None:
        engine = engine_of()
        engine.registry.register("work", version(1))

        def sync(n: int) -> dict[str, int]:
            if n == 3:
                engine.registry.register("work", version(3))
            return {"n": n + 1}

        async def swap() -> None:
            engine.registry.register("work", sync)

        engine.registry.register("swap", swap)
        result = await engine.execute(graph("first = work\nfirst -> swap -> work\nwork -> work if n < 5"))
        assert result.state == {"n": 5, "seen": 3}

    asyncio.run(main())


def test_node_start_has_the_version_and_a_hash_of_the_source() -> None:
    async def one() -> int:
        return 1

    async def two() -> int:
        return 2

    async def main() -> list[tuple[int, str]]:
        engine, told = engine_of(), []
        for function in (one, two, one):
            engine.registry.register("work", function)
            started = engine.start(graph("work"))
            await started
            told.append((started.events[1].data["version"], started.events[1].data["source"]))
        return told

    (first, one_hash), (second, two_hash), (third, again) = asyncio.run(main())
    assert (first, second, third) == (1, 2, 3)
    assert one_hash == again != two_hash
    assert len(one_hash) == 12


def test_a_predicate_registered_again_is_used_by_the_next_run() -> None:
    async def main() -> list[dict[str, Any]]:
        engine = engine_of(version(1))
        definition = graph("pass -> tool if wanted()")

        def wanted() -> bool:
            return False

        engine.registry.predicate(wanted)
        states = [(await engine.execute(definition)).state]

        def wanted() -> bool:  # type: ignore[no-redef]
            return True

        engine.registry.predicate(wanted)
        return [*states, (await engine.execute(definition)).state]

    assert asyncio.run(main()) == [{}, {"n": 1, "seen": 1}]
