"""Form fields made from a JSON Schema. What comes out keeps its JSON type: 3 is not "3", and 3.0 is not 3."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

LONG = 60
"""A text longer than this, or with a line break, is edited in several lines."""
SIMPLE = {"string", "integer", "number", "boolean"}


class Text(forms.CharField):
    """A text exactly as typed. Browsers send every line break as CR LF; that is undone where the text had none."""

    def __init__(self, value: Any, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)
        self.keeps_cr = isinstance(value, str) and "\r\n" in value

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        return text if self.keeps_cr else text.replace("\r\n", "\n")


class Number(forms.CharField):
    """A JSON number; without a fraction it stays an integer, of any size."""

    def __init__(self, *, whole: bool, **kwargs: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"inputmode": "numeric" if whole else "decimal"}), **kwargs)
        self.whole = whole

    def to_python(self, value: Any) -> int | float | None:  # type: ignore[override]
        text = super().to_python(value)
        if not text:
            return None
        number = parsed(text, "Enter a whole number." if self.whole else "Enter a number.")
        if isinstance(number, bool) or not isinstance(number, int if self.whole else int | float):
            raise ValidationError("Enter a whole number." if self.whole else "Enter a number.")
        return number


class Json(forms.CharField):
    """Any JSON value, written as JSON."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"class": "code", "spellcheck": "false", "rows": 3}), **kwargs)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return parsed(text, "This is not JSON: a text goes in double quotes.") if text else None


class Choice(forms.ChoiceField):
    """One of a schema's `enum`, of whatever JSON type."""

    def __init__(self, values: list[Any], **kwargs: Any) -> None:
        named = [(json.dumps(value), value if isinstance(value, str) else json.dumps(value)) for value in values]
        super().__init__(choices=named if kwargs["required"] else [("", "–"), *named], **kwargs)

    def clean(self, value: Any) -> Any:
        chosen = super().clean(value)
        return json.loads(chosen) if chosen else None


def parsed(text: str, otherwise: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValidationError(otherwise) from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """The schema with its local `$ref` followed once; {} for what is no object."""
    if not isinstance(schema, dict):
        return {}
    ref = str(schema.get("$ref", ""))
    if ref.startswith("#/$defs/"):
        return schema | root.get("$defs", {}).get(ref.removeprefix("#/$defs/"), {})
    return schema


def field_for(schema: dict[str, Any], value: Any, *, given: bool, required: bool) -> forms.Field:
    """A field for one argument: by its schema, or by its present value where the schema does not say."""
    common: dict[str, Any] = {
        "required": required,
        "help_text": str(schema.get("description", "")),
        "initial": shown(value) if given else "",
    }
    if schema.get("enum"):
        return Choice(list(schema["enum"]), **common | {"initial": json.dumps(value) if given else ""})
    kind = json_type(schema, value, given)
    if kind == "boolean":
        return forms.BooleanField(**common | {"required": False, "initial": bool(value)})
    if kind in ("integer", "number"):
        return Number(whole=kind == "integer", **common)
    if kind == "string":
        return Text(value, **common | {"required": False}, widget=_text_widget(schema, value))
    return Json(**common | {"initial": json.dumps(value, indent=2, ensure_ascii=False) if given else ""})


def json_type(schema: dict[str, Any], value: Any, given: bool) -> str:
    """string, integer, number, boolean, or json for everything else."""
    said = schema.get("type")
    if said is None and given and "anyOf" not in schema:
        said = {str: "string", bool: "boolean", int: "integer", float: "number"}.get(type(value))
    fits = said in SIMPLE and (value is not None or not given) and not (said == "boolean" and not given)
    return str(said) if fits else "json"


def shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text_widget(schema: dict[str, Any], value: Any) -> forms.Widget:
    text = value if isinstance(value, str) else ""
    several = len(text) > LONG or "\n" in text or schema.get("maxLength", 0) > 400
    return forms.Textarea(attrs={"rows": 4}) if several else forms.TextInput()
