from __future__ import annotations

from datetime import datetime, timedelta

from django import forms

from harness.clock import now

LENGTHS = [
    ("", "until someone resumes it"),
    ("15", "15 minutes"),
    ("60", "1 hour"),
    ("480", "8 hours"),
    ("1440", "1 day"),
]


class Spoken(forms.Form):
    """A short form whose errors are told as one sentence."""

    use_required_attribute = False

    def sentence(self) -> str:
        return " ".join(str(error) for errors in self.errors.values() for error in errors)


class PauseForm(Spoken):
    reason = forms.CharField(max_length=500, error_messages={"required": "Say why the queue pauses."})
    minutes = forms.TypedChoiceField(choices=LENGTHS, coerce=int, required=False, empty_value=None)

    def until(self) -> datetime | None:
        """When the pause ends by itself, by the database's clock."""
        minutes = self.cleaned_data["minutes"]
        return now() + timedelta(minutes=minutes) if minutes else None


class LimitForm(Spoken):
    limit = forms.IntegerField(
        min_value=0,
        max_value=100_000,
        required=False,
        error_messages={"invalid": "The limit is a whole number, or empty."},
    )
