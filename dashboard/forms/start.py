"""Starting a run: what a person types, and where each complaint belongs."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any, NoReturn

from django import forms
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from harness.agents import registry
from harness.agents.spec import AgentSpec
from harness.conf import conf
from harness.control import PRIORITIES
from harness.errors import HarnessError, NotFound, ThreadBusy, UnknownAgent, UnknownQueue

AUTO = "auto"
FIELD_OF: list[tuple[type[HarnessError], str]] = [
    (UnknownAgent, "agent"),
    (UnknownQueue, "queue"),
    (ThreadBusy, "thread"),
    (NotFound, "thread"),
]
"""Where a refusal of the verb belongs that names no field of the form."""


class StartForm(forms.Form):
    agent = forms.CharField(max_length=200, label="Agent")
    input = forms.CharField(label="Input (JSON)", strip=False, widget=forms.Textarea(attrs={"rows": 10}))
    thread = forms.UUIDField(required=False, label="Thread", error_messages={"invalid": "This is not a thread's id."})
    title = forms.CharField(max_length=200, required=False, label="Title")
    queue = forms.CharField(max_length=100, label="Queue", initial="default")
    priority = forms.IntegerField(
        min_value=PRIORITIES[0], max_value=PRIORITIES[-1], initial=0, label="Priority", help_text="Higher goes first."
    )
    available_at = forms.DateTimeField(
        required=False,
        label="Not before",
        help_text="Empty: as soon as a worker is free.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )

    def clean_input(self) -> Any:
        """The value that the JSON says. Refused where it is too big, no JSON, or JSON that no database can keep."""
        text: str = self.cleaned_data["input"]
        given = len(text.encode())
        if given > conf.MAX_INPUT_BYTES:
            limit = filesizeformat(conf.MAX_INPUT_BYTES)
            raise forms.ValidationError(f"The input is too big: {filesizeformat(given)}; the limit is {limit}.")
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise forms.ValidationError(
                f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
            ) from None
        except RecursionError:
            raise forms.ValidationError("This JSON is nested too deeply.") from None

    def complain(self, error: HarnessError) -> None:
        """Put what the verb refused beside the field that it is about."""
        named = (name for name in getattr(error, "fields", {}) if name in self.fields)
        known = (name for kind, name in FIELD_OF if isinstance(error, kind))
        self.add_error(next(chain(known, named), "input"), str(error))

    def request(self) -> dict[str, Any]:
        """The arguments of control.start_run."""
        return dict(self.cleaned_data)


def _refuse_constant(name: str) -> NoReturn:
    raise forms.ValidationError(f"{name} is not JSON: numbers must be finite.")


def choices() -> list[AgentSpec]:
    """The agents that can be chosen, by name."""
    return registry.all_agents()


def example(agent: str) -> str:
    """An input that fits the agent, to start from; for "auto" and agents without one, an empty object."""
    spec = next((each for each in choices() if each.name == agent), None)
    return json.dumps(spec.example_input if spec and spec.example_input is not None else {}, indent=2)


def input_for(agent: str, typed: str) -> str:
    """What was typed; or, as long as that is nobody's own text, the example of the chosen agent."""
    examples = {example(spec.name) for spec in choices()} | {example(AUTO), ""}
    return example(agent) if typed.strip().replace("\r\n", "\n") in examples else typed


def suggested(query: Any) -> dict[str, Any]:
    """The first content of an empty form, from the address."""
    agent = query.get("agent") or AUTO
    kept = {name: query[name] for name in ("thread", "queue", "title", "priority") if query.get(name)}
    return {"queue": "default", "priority": 0} | kept | {"agent": agent, "input": example(agent)}


def now_is() -> str:
    """The time on the clock that "not before" is read by."""
    return f"{timezone.localtime():%H:%M} {timezone.get_current_timezone_name()}"
