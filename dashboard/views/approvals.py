"""The inbox, one approval, and the decision."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from dashboard import htmx
from dashboard.forms.decide import Deciding, Typed
from dashboard.htmx import HtmxHttpRequest
from dashboard.queries import approvals as queries
from harness.approvals import resolve_approval
from harness.errors import Conflict, InvalidInput, NotFound
from harness.models import Approval
from harness.states import ApprovalKind, ApprovalStatus, Decision

CARD, PAGE = "dashboard/approvals/_card.html", "dashboard/approvals/show.html"
may_view = permission_required("harness.view_approval", raise_exception=True)


@require_GET
@may_view
def index(request: HtmxHttpRequest) -> HttpResponse:
    chosen = {name: request.GET.get(name, "") for name in ("agent", "tool")}
    found = queries.inbox(**chosen)
    context = {"inbox": found, "cards": [card(approval) for approval in found.cards], "chosen": chosen}
    return htmx.show(request, "dashboard/approvals/index.html", context, {"inbox": "dashboard/approvals/_inbox.html"})


@require_GET
@may_view
def page(request: HtmxHttpRequest, approval_id: UUID) -> HttpResponse:
    context = card(queries.get(approval_id)) | {"alone": True}
    return htmx.show(request, PAGE, context, {f"approval-{approval_id}": CARD})


@require_POST
def resolve(request: HtmxHttpRequest, approval_id: UUID) -> HttpResponse:
    """Decide. Answers with the card: decided; 422 with sentences beside the fields; 409 as someone faster left it."""
    approval, decision = queries.get(approval_id), request.POST.get("decision", "")
    forms = Deciding(approval, request.POST)
    sent = forms.sent(decision)
    if sent is not None and approval.status == ApprovalStatus.PENDING and not sent.is_valid():
        return _answer(request, card(approval, forms, decision), 422)
    try:
        decided = resolve_approval(approval_id, by=request.user, **_wish(approval, decision, forms))
    except InvalidInput as error:
        return _refused(request, approval, forms, decision, error)
    except Conflict as error:
        return _answer(request, card(queries.get(approval_id)) | {"said": str(error)}, 409)
    except NotFound:
        return redirect("dashboard:approvals")
    return _answer(request, card(queries.get(decided.pk)), 200)


def card(approval: Approval, forms: Deciding | None = None, opened: str = "") -> dict[str, Any]:
    """What _card.html needs."""
    return {"approval": approval, "run": approval.run, "forms": forms or Deciding(approval), "opened": opened}


def _wish(approval: Approval, decision: str, forms: Deciding) -> dict[str, Any]:
    """The form's words as resolve_approval wants them; a filled-in answer to a question is its approval."""
    if decision == Decision.REJECT:
        return {"decision": decision, "reason": forms.reject.data.get("reason", "")}
    if decision == Decision.EDIT and forms.fill is not None:
        args = forms.fill.args() if forms.fill.is_valid() else {}
        return {"decision": "approve" if approval.kind == ApprovalKind.QUESTION else decision, "args": args}
    return {"decision": decision}


def _refused(
    request: HtmxHttpRequest, approval: Approval, forms: Deciding, decision: str, error: InvalidInput
) -> HttpResponse:
    sent, said = forms.sent(decision), ""
    if isinstance(sent, Typed) and sent.is_bound:
        sent.blame(error)
    else:
        said = str(error)
    return _answer(request, card(approval, forms, decision) | {"said": said}, 422)


def _answer(request: HtmxHttpRequest, context: dict[str, Any], status: int) -> HttpResponse:
    """For htmx the card. Else back to the list, so that a reload decides nothing; or the page of the card."""
    alone = _is_alone(request, context["approval"])
    if request.htmx:
        response = render(request, CARD, context | {"alone": alone}, status=status)
        return htmx.with_notice(response, decided_words(context["approval"])) if status == 200 else response
    if status == 200:
        return htmx.go(request, reverse("dashboard:approvals"), said=decided_words(context["approval"]))
    return render(request, PAGE, context | {"alone": True}, status=status)


def _is_alone(request: HtmxHttpRequest, approval: Approval) -> bool:
    here = reverse("dashboard:approval", args=[approval.pk])
    return bool(request.htmx) and (request.htmx.current_url_abs_path or "").startswith(here)


def decided_words(approval: Approval) -> str:
    what = "answered" if approval.kind == ApprovalKind.QUESTION else approval.get_status_display().lower()
    return f"{approval.tool} is {'rejected' if approval.decision == Decision.REJECT else what}."
