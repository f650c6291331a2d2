"""Do the arguments that a person gives fit what was asked?"""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from harness.errors import InvalidInput
from harness.models import Approval
from harness.states import ApprovalKind


def checked_args(approval: Approval, args: Any) -> Any:
    """`args` if they answer the approval; else InvalidInput with a sentence for each field that is wrong."""
    if approval.kind == ApprovalKind.QUESTION:
        return {"answer": _one("answer", approval, args)}
    if approval.kind == ApprovalKind.RECOVERY:
        if not isinstance(args, dict) or set(args) != {"result"}:
            raise InvalidInput('Say what the result was, as {"result": value}.', fields={"result": "Give the result."})
        return args
    if approval.kind == ApprovalKind.CONFIRM and approval.args_schema is None:
        raise InvalidInput("This confirmation has nothing to edit: approve or reject it.")
    return _valid(args, approval.args_schema or {"type": "object"})


def _one(name: str, approval: Approval, args: Any) -> Any:
    if not isinstance(args, dict) or set(args) != {name}:
        raise InvalidInput(f'Answer as {{"{name}": value}}.', fields={name: "Give an answer."})
    schema = {"type": "object", "properties": {name: approval.args_schema or {}}, "required": [name]}
    defs = (approval.args_schema or {}).get("$defs")
    return _valid(args, schema | ({"$defs": defs} if defs else {}))[name]


def _valid(args: Any, schema: dict[str, Any]) -> Any:
    try:
        errors = list(Draft202012Validator(schema).iter_errors(args))
    except SchemaError as error:
        raise InvalidInput(f"The schema of this request is broken: {error.message}.") from error
    if errors:
        fields = {_field(error): error.message for error in reversed(errors)}
        said = "; ".join(f"{name}: {message}" if name else message for name, message in fields.items())
        raise InvalidInput(f"This does not fit: {said}.", fields=fields)
    return args


def _field(error: ValidationError) -> str:
    """The field that the error belongs to, dotted; for a missing one its name."""
    path = [str(part) for part in error.absolute_path]
    if error.validator == "required":
        path.append(error.message.split("'")[1])
    return ".".join(path)
