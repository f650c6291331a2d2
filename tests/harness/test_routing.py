from __future__ import annotations

import re

import pytest

from harness.agents import agent, registry, routing
from harness.errors import HarnessError, InvalidInput, UnknownAgent
from harness.models import Thread


def declare(name, **options):
    @agent(name, **options)
    def play(ctx, request): ...

    play.__qualname__ = name


@pytest.fixture(autouse=True)
def some_agents():
    for name, options in {
        "baker": {"routes": ["bread", re.compile(r"\bcakes?\b")]},
        "clerk": {"routes": [lambda input: isinstance(input, dict) and "order" in input]},
        "internal": {"routes": ["bread"], "host_facing": False},
        "anyone": {"default": True},
    }.items():
        declare(name, **options)


def thread(agent):
    return Thread(agent=agent)


def test_a_named_agent_is_taken_as_it_is():
    assert routing.choose("bread", thread("clerk"), "internal") == "internal"
    with pytest.raises(UnknownAgent):
        routing.choose("bread", None, "nobody")


def test_auto_stays_with_the_agent_of_the_thread_where_that_one_is_host_facing():
    assert routing.choose("bread", thread("clerk")) == "clerk"
    assert routing.choose("bread", thread("internal")) == "baker"
    assert routing.choose("bread", thread("long-gone")) == "baker"


@pytest.mark.parametrize(
    ("input", "name"),
    [
        ("some BREAD please", "baker"),
        ("breadcrumbs", "anyone"),
        ({"text": "two cakes"}, "baker"),
        ({"order": 1}, "clerk"),
        ({"path": "/var/log"}, "log-triage"),
        ({"folder": "/tmp"}, "disk-janitor"),
        ("something else", "anyone"),
        (None, "anyone"),
    ],
)
def test_rules_of_the_agents_decide_and_the_default_takes_the_rest(input, name):
    assert routing.choose(input) == name


def test_the_default_of_the_settings_goes_before(settings):
    settings.HARNESS = settings.HARNESS | {"DEFAULT_AGENT": "clerk"}
    assert routing.choose("something else") == "clerk"
    settings.HARNESS = settings.HARNESS | {"DEFAULT_AGENT": "nobody"}
    with pytest.raises(UnknownAgent, match="HARNESS_DEFAULT_AGENT"):
        routing.choose("something else")


def test_without_a_default_the_answer_says_what_to_do():
    registry.unregister("anyone")
    with pytest.raises(InvalidInput, match="No agent claims this input"):
        routing.choose("something else")


def to_the_clerk(input, thread):
    return {"clerk": "clerk", "none": None, "wrong": "nobody"}[input]


def test_a_router_of_ones_own_replaces_the_rules(settings):
    settings.HARNESS = settings.HARNESS | {"ROUTER": f"{__name__}.to_the_clerk"}
    assert routing.choose("clerk") == "clerk"
    assert routing.choose("none") == "anyone"
    with pytest.raises(UnknownAgent):
        routing.choose("wrong")
    with pytest.raises(HarnessError, match=r"HARNESS_ROUTER.*failed"):
        routing.choose("bread")
