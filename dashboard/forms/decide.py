"""What a reviewer fills in: changed arguments, an answer, the result of a lost step, or the reason of a rejection."""

from __future__ import annotations

from typing import Any

from django import forms

from dashboard.forms.typed import Json, field_for, resolved
from harness.errors import InvalidInput
from harness.models import Approval
from harness.states import ApprovalKind, Decision

PREFIX = "arg:"


class Typed(forms.Form):
    """A form whose fields come from the approval. `args()` is what to decide with."""

    use_required_attribute = False

    def __init__(self, approval: Approval, data: Any = None) -> None:
        super().__init__(data, auto_id=f"{approval.pk}-%s")
        self.approval = approval
        self.optional: set[str] = set()
        for name, field in self.made().items():
            field.label = field.label or name
            self.fields[PREFIX + name] = field

    def made(self) -> dict[str, forms.Field]:
        raise NotImplementedError

    def args(self) -> Any:
        values = {name.removeprefix(PREFIX): value for name, value in self.cleaned_data.items()}
        return {name: value for name, value in values.items() if name not in self.optional or value not in (None, "")}

    def blame(self, error: InvalidInput) -> None:
        """Put the sentences of a refusal beside the fields that they are about."""
        for path, sentence in error.fields.items():
            name = PREFIX + path.split(".")[0]
            self.add_error(name if name in self.fields else None, sentence)
        if not error.fields:
            self.add_error(None, str(error))


class EditForm(Typed):
    """One field per argument: those of the tool's signature, and those that the agent gave besides."""

    def made(self) -> dict[str, forms.Field]:
        schema, args = self.approval.args_schema or {}, self.approval.args
        args = args if isinstance(args, dict) else {}
        properties = schema.get("properties", {})
        required = {*schema.get("required", []), *args}
        names = [*(name for name in properties if name in args), *(name for name in args if name not in properties)]
        names += [name for name in properties if name not in args]
        self.optional = {name for name in names if name not in required}
        return {
            name: field_for(
                resolved(properties.get(name), schema), args.get(name), given=name in args, required=name in required
            )
            for name in names
        }


class AnswerForm(Typed):
    """The answer to a question, by the schema that the agent gave."""

    def made(self) -> dict[str, forms.Field]:
        schema = self.approval.args_schema or {"type": "string"}
        field = field_for(resolved(schema, schema), schema.get("default"), given="default" in schema, required=True)
        if isinstance(field, forms.CharField) and isinstance(field.widget, forms.TextInput) and not field.widget.attrs:
            field.widget = forms.Textarea(attrs={"rows": 3})
        field.label = "Answer"
        return {"answer": field}


class ResultForm(Typed):
    """What a step returned, as a person found out. It goes into the journal in place of the lost result."""

    def made(self) -> dict[str, forms.Field]:
        hint = 'What the step would have returned, as JSON: null, 42, "text", {"id": 7}.'
        return {"result": Json(label="Result", initial="null", help_text=hint)}


class RejectForm(forms.Form):
    use_required_attribute = False
    reason = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "Say why: the reason reaches the agent."},
    )

    def __init__(self, approval: Approval, data: Any = None) -> None:
        super().__init__(data, auto_id=f"{approval.pk}-%s")


class Deciding:
    """The forms that one approval offers, by its kind; one of them filled in where a decision was sent."""

    def __init__(self, approval: Approval, data: Any = None) -> None:
        sent = data.get("decision", "") if data else ""
        self.reject = RejectForm(approval, data if sent == Decision.REJECT else None)
        self.fill: Typed | None = None
        if kind := self._kind(approval):
            self.fill = kind(approval, data if sent == Decision.EDIT else None)

    @staticmethod
    def _kind(approval: Approval) -> type[Typed] | None:
        if approval.kind == ApprovalKind.QUESTION:
            return AnswerForm
        if approval.kind == ApprovalKind.RECOVERY:
            return ResultForm
        editable = isinstance(approval.args, dict) and (approval.args or approval.args_schema)
        if approval.kind == ApprovalKind.CONFIRM and not approval.args_schema:
            return None
        return EditForm if editable else None

    def sent(self, decision: str) -> forms.Form | None:
        return {Decision.EDIT: self.fill, Decision.REJECT: self.reject}.get(decision)  # type: ignore[call-overload]
