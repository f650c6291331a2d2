"""Who did what to what and why: the only writer of OperatorAction."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import models, transaction

from harness import origin
from harness.errors import InvalidInput
from harness.models import OperatorAction, Run


def user_of(by: Any) -> Any | None:
    """The user that `by` names: a user, a user name, or None for the system itself."""
    if by is None or isinstance(by, get_user_model()):
        return by
    if not isinstance(by, str):
        raise InvalidInput(f"`by` must be a user or a user name, not {type(by).__name__}.")
    user = get_user_model()._default_manager.filter(**{get_user_model().USERNAME_FIELD: by}, is_active=True).first()
    if user is None:
        raise InvalidInput(f"There is no active user named {by!r}.")
    return user


def name_of(user: Any | None) -> str:
    """How events and audit rows name a user."""
    return user.get_username() if user else "system"


def record(
    action: str,
    thing: models.Model,
    *,
    by: Any | None,
    reason: str = "",
    before: Any = None,
    after: Any = None,
    run: Run | None = None,
    allowed: bool = True,
) -> OperatorAction:
    """Write the audit row, in the transaction of the change that it tells of."""
    where = origin.current()
    return OperatorAction.objects.create(
        action=action,
        by=by,
        by_name=name_of(by),
        allowed=allowed,
        object_type=thing._meta.model_name or "",
        object_id=str(thing.pk),
        run_id=run.pk if run else None,
        epoch=run.epoch if run else None,
        reason=reason,
        origin=where.kind,
        address=where.address,
        before=before,
        after=after,
    )


def require(by: Any | None, permission: str, action: str, thing: models.Model) -> None:
    """Refuse a user who lacks `permission` ("harness.cancel_run"), and keep a record of the attempt.

    The system itself (`by` None: a command on the host, a rule) may do everything. Raises PermissionDenied.
    """
    if by is None or by.has_perm(permission):
        return
    with transaction.atomic(durable=False):
        record(action, thing, by=by, allowed=False)
    raise PermissionDenied(f"{name_of(by)} may not do this: it needs the permission {permission}.")
