import pytest

from harness.agents import registry


@pytest.fixture(autouse=True)
def agents_of_the_test():
    """Agents that a test declares are gone after it."""
    before = {spec.name for spec in registry.all_agents()}
    yield
    for spec in registry.all_agents():
        if spec.name not in before:
            registry.unregister(spec.name)
