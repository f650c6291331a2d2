"""The filters of the runs list, and the reason of a cancel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms

from harness.states import State

SORTS = [("newest", "Newest first"), ("oldest", "Oldest first"), ("longest", "Longest")]
MAX_SELECTED = 100


class RunFilter(forms.Form):
    """Lives in the address; a field that is wrong is shown as wrong, and the others hold."""

    state = forms.MultipleChoiceField(
        choices=State.choices, required=False, label="State", widget=forms.CheckboxSelectMultiple
    )
    q = forms.CharField(max_length=200, required=False, label="Title, reason, error or id")
    agent = forms.CharField(max_length=200, required=False, label="Agent")
    queue = forms.CharField(max_length=100, required=False, label="Queue")
    thread = forms.UUIDField(required=False, label="Thread id")
    since = forms.DateTimeField(
        required=False, label="Created after", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    until = forms.DateTimeField(
        required=False, label="Created before", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    stuck = forms.BooleanField(required=False, label="Only stuck runs")
    sort = forms.ChoiceField(choices=SORTS, required=False, label="Order")

    def wanted(self) -> dict[str, Any]:
        """What to filter by: the given and valid fields."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    @property
    def chosen_states(self) -> list[str]:
        """Those that are ticked, known or not."""
        chosen: list[str] = self["state"].value() or []
        return chosen

    @property
    def more(self) -> list[forms.BoundField]:
        """The fields that are seldom needed."""
        return [self[name] for name in ("since", "until", "thread")]

    @property
    def longest(self) -> bool:
        return bool(self.wanted().get("sort") == "longest")

    @property
    def narrows(self) -> bool:
        """True if anything but the order is asked for."""
        return bool(self.wanted().keys() - {"sort"}) or bool(self.errors)


class CancelForm(forms.Form):
    reason = forms.CharField(
        max_length=500,
        label="Why?",
        error_messages={"required": "Say why: the reason is kept with the run."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "e.g. wrong folder"}),
    )
    force = forms.BooleanField(required=False, label="Kill it at once, without asking the agent first")


class BulkCancelForm(forms.Form):
    """The ticked runs of one page and why they should stop."""

    run = forms.TypedMultipleChoiceField(coerce=UUID, label="Runs")
    reason = CancelForm.base_fields["reason"]

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        given = data.getlist("run")[: MAX_SELECTED + 1] if data else []
        self.fields["run"].choices = [(one, one) for one in given if _is_id(one)]  # type: ignore[attr-defined]
        self.fields["run"].error_messages = {
            "required": "Tick the runs to cancel first.",
            "invalid_choice": "%(value)s is not the id of a run.",
        }

    def clean_run(self) -> list[UUID]:
        chosen: list[UUID] = self.cleaned_data["run"]
        if len(chosen) > MAX_SELECTED:
            raise forms.ValidationError(f"At most {MAX_SELECTED} runs can be cancelled at once.")
        return chosen


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
