"""Workers as processes on the test's own database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.agents import registry
from tests.faults.live import TIMINGS, Live
from tests.infra.redis import RedisServer


@pytest.fixture
def live(transactional_db: None, tmp_path: Path, settings: Any) -> Iterator[Live]:
    """Start `live.worker()` and runs; it has a Redis of its own that keeps nothing."""
    redis = RedisServer(tmp_path).start()
    settings.REDIS_URL = redis.url
    settings.HARNESS = settings.HARNESS | TIMINGS
    world = Live(tmp_path, redis)
    yield world
    world.close()
    redis.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome: Any = yield
    report = outcome.get_result()
    live = getattr(item, "funcargs", {}).get("live")
    if report.failed and live:
        report.sections.append(("what the workers logged", live.logged()[-20_000:]))


def _declared_by_workers() -> list[registry.AgentSpec]:
    known = {spec.name for spec in registry.all_agents()}
    from tests.faults import worker_agents  # noqa: F401  (declares them)

    declared = [spec for spec in registry.all_agents() if spec.name not in known]
    for spec in declared:
        registry.unregister(spec.name)
    return declared


SPECS = _declared_by_workers()


@pytest.fixture(autouse=True)
def agents_of_the_workers() -> Iterator[None]:
    """What the workers under test know is known in the process of the test too, while it lasts."""
    for spec in SPECS:
        registry.register(spec)
    yield
    for spec in SPECS:
        registry.unregister(spec.name)
