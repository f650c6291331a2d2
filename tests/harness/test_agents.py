from __future__ import annotations

import datetime
import sys
import textwrap
from pathlib import Path
from typing import NotRequired

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from pydantic import BaseModel
from typing_extensions import TypedDict

from harness import limits
from harness.agents import RunContext, Tool, agent, registry, tool
from harness.agents.signatures import DefinitionError
from harness.errors import InvalidInput, UnknownAgent


class Wish(TypedDict):
    path: Path
    days: NotRequired[int]


class Model(BaseModel):
    when: datetime.date
    words: list[str] = []


# --- tools --------------------------------------------------------------------------------------------------------


def test_a_tool_works_bare_and_with_options_and_stays_a_function():
    @tool
    def bare(a: int, b: int = 2) -> int:
        """Adds.

        More about it.
        """
        return a + b

    @tool(name="named", description="Said.", retryable=True, requires_approval=True, risk="low", approval_timeout=60)
    async def full(a: int) -> int:
        return a

    assert isinstance(bare, Tool)
    assert (bare(1), bare(a=1, b=3)) == (3, 4)
    assert (bare.name, bare.description, bare.retryable, bare.requires_approval) == ("bare", "Adds.", False, False)
    assert (full.name, full.description, full.retryable, full.is_async) == ("named", "Said.", True, True)
    assert (full.risk, full.approval_timeout_seconds, full.on_expiry) == ("low", 60, "reject")
    assert bare.__name__ == "bare"


def test_the_schema_of_a_tool_is_what_its_signature_says():
    @tool
    def look(path: Path, schema: list[int], days: int = 3) -> None: ...

    schema = look.schema
    assert schema["required"] == ["path", "schema"]
    assert schema["properties"]["days"] == {"default": 3, "title": "Days", "type": "integer"}
    assert schema["additionalProperties"] is False


def test_arguments_are_recorded_as_json_with_defaults_and_come_back_as_objects():
    @tool
    def look(path: Path, when: datetime.date = datetime.date(2026, 1, 2)) -> None: ...

    recorded = look.validate({"path": "/a"})
    assert recorded == {"path": "/a", "when": "2026-01-02"}
    assert look.load(recorded) == {"path": Path("/a"), "when": datetime.date(2026, 1, 2)}


def test_wrong_arguments_are_named_one_by_one():
    @tool
    def look(a: int, b: str) -> None: ...

    with pytest.raises(InvalidInput) as refused:
        look.validate({"a": "x", "c": 1})
    assert set(refused.value.fields) == {"a", "b", "c"}
    assert "c: is not known here" in str(refused.value)


@pytest.mark.parametrize("options", [{"risk": "enormous"}, {"on_expiry": "shrug"}])
def test_a_tool_with_an_option_that_does_not_exist_is_an_error_at_once(options):
    with pytest.raises(DefinitionError, match="should be one of"):

        @tool(**options)
        def broken() -> None: ...


def test_a_tool_whose_arguments_have_no_names_is_an_error():
    @tool
    def broken(*many: int) -> None: ...

    with pytest.raises(DefinitionError, match="'many' cannot be given by name"):
        _ = broken.schema


# --- input --------------------------------------------------------------------------------------------------------


def declared(annotation, **options):
    def play(ctx, request): ...

    play.__annotations__["request"] = annotation
    agent("declared", **options)(play)
    return registry.get("declared")


@pytest.mark.parametrize(
    ("annotation", "given", "stored"),
    [
        (dict, {"a": 1}, {"a": 1}),
        (str, "hello", "hello"),
        (Wish, {"path": "/a", "days": "3"}, {"path": "/a", "days": 3}),
        (Model, {"when": "2026-01-02"}, {"when": "2026-01-02", "words": []}),
        (Model, {"when": datetime.date(2026, 1, 2)}, {"when": "2026-01-02", "words": []}),
        ("Model", {"when": "2026-01-02"}, {"when": "2026-01-02", "words": []}),
    ],
)
def test_input_is_validated_from_the_annotation(annotation, given, stored):
    assert declared(annotation).validate_input(given) == stored


@pytest.mark.parametrize(
    ("annotation", "given", "field"),
    [
        (dict, "text", ""),
        (str, {"a": 1}, ""),
        (Wish, {"days": 3}, "path"),
        (Wish, {"path": "/a", "day": 3}, "day"),
        (Model, {"when": "soon"}, "when"),
        (Model, {"when": "2026-01-02", "words": [1]}, "words.0"),
    ],
)
def test_input_that_does_not_fit_names_the_field(annotation, given, field):
    with pytest.raises(InvalidInput) as refused:
        declared(annotation).validate_input(given)
    assert list(refused.value.fields) == [field]
    assert str(refused.value).startswith("The input of declared does not fit: ")


def test_the_stored_input_reaches_the_agent_as_its_type():
    spec = declared(Model)
    assert spec.load_input({"when": "2026-01-02"}) == Model(when=datetime.date(2026, 1, 2))
    assert declared(dict, input=Model).load_input({"when": "2026-01-02"}).words == []


# --- registry -----------------------------------------------------------------------------------------------------


def test_an_unknown_agent_is_answered_with_those_there_are():
    with pytest.raises(UnknownAgent, match=r"There is no agent 'nobody'. Known agents: .*disk-janitor.*log-triage"):
        registry.get("nobody")


def test_two_agents_of_one_name_are_an_error_that_names_both():
    @agent("twin")
    def first(ctx: RunContext, request: dict) -> None: ...

    with pytest.raises(DefinitionError, match=r"'twin': .*first and .*second"):

        @agent("twin")
        def second(ctx: RunContext, request: dict) -> None: ...


def test_options_of_an_agent_are_kept():
    @agent("full", timeout=datetime.timedelta(minutes=1), stuck_after=5, max_concurrent_runs=2, on_unknown="fail")
    def full(ctx: RunContext, request: dict) -> None:
        """Does it all."""

    spec = registry.get("full")
    assert (spec.timeout_seconds, spec.stuck_after_seconds, spec.on_unknown) == (60, 5, "fail")
    assert (spec.description, spec.host_facing, spec.example_input) == ("Does it all.", True, {})
    assert limits.AGENT_LIMITS["full"] == 2
    registry.unregister("full")
    assert "full" not in limits.AGENT_LIMITS


@pytest.fixture
def module(tmp_path, monkeypatch, settings):
    """A module of agents with the given text, named in HARNESS_AGENTS."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        settings.HARNESS = settings.HARNESS | {"AGENTS": [name]}

    yield write
    for name in [name for name in registry._problems if name.startswith("agents_for_test")]:
        del registry._problems[name]
    for name in [name for name in sys.modules if name.startswith("agents_for_test")]:
        del sys.modules[name]


def test_agents_of_other_modules_are_found_by_the_setting(module):
    module(
        "agents_for_test_good",
        """
        from harness.agents import agent

        @agent("from-a-module")
        def it(ctx, request): ...
        """,
    )
    assert "from-a-module" in [spec.name for spec in registry.autodiscover()]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("agents_for_test_gone", "import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("agents_for_test_syntax", "def (", "SyntaxError"),
        (
            "agents_for_test_hint",
            "from __future__ import annotations\nfrom harness.agents import agent\n"
            "@agent('bad-hint')\ndef it(ctx, request: Missing): ...\n",
            "the annotation of 'request' cannot be read",
        ),
    ],
)
def test_a_module_that_cannot_be_loaded_is_named_and_takes_nothing_else_down(module, name, text, says):
    module(name, text)
    with pytest.raises(ImproperlyConfigured, match=f"The agents in {name} could not be loaded: .*{says}"):
        registry.autodiscover()
    assert registry.get("disk-janitor").name == "disk-janitor"
    with pytest.raises(UnknownAgent, match=name):
        registry.get("bad-hint")
    assert [error.id for error in run_checks(include_deployment_checks=True) if name in error.msg] == ["harness.E001"]
