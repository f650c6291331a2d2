import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied

from harness import approvals, journal, transitions
from harness.clock import Now
from harness.db import unit
from harness.errors import Conflict, InvalidInput, LeaseLost, NotFound
from harness.models import Approval, OperatorAction
from harness.states import ApprovalKind, StepKind
from tests.world import again, ask, claim, event, running_run, story, user, waiting_run

pytestmark = pytest.mark.django_db


def decide(approval, decision="approve", by="ada", **more):
    user(by)
    return approvals.resolve_approval(approval.pk, decision=decision, by=by, **more)


def let_the_deadline_pass(approval):
    Approval.objects.filter(pk=approval.pk).update(expires_at=Now() - timedelta(seconds=1))


def test_an_approval_is_decided_and_the_run_may_go_on():
    run, (approval,) = waiting_run()
    decided = decide(approval)

    assert (decided.status, decided.decision, decided.decided_by_name) == ("approved", "approve", "ada")
    assert again(run).state == "resuming"
    assert claim().resuming


def test_a_run_waits_until_every_question_is_decided():
    run, (first, second) = waiting_run(ask("delete_file#1"), ask("delete_file#2", path="/tmp/b"))
    decide(first)
    assert again(run).state == "waiting_for_approval"

    decide(second, "reject", reason="keep it")
    assert again(run).state == "resuming"


def test_an_edit_changes_what_may_be_executed_and_nothing_else():
    _, (approval,) = waiting_run(ask(path="/tmp/a"))
    decided = decide(approval, "edit", args={"path": "/tmp/b"})

    assert (decided.args, decided.effective_args) == ({"path": "/tmp/a"}, {"path": "/tmp/b"})
    assert decided.approved_digest != decided.digest


@pytest.mark.parametrize(
    ("args", "field"),
    [({"path": 7}, "path"), ({}, "path"), (["/tmp/b"], ""), (None, "args"), ("text", "")],
)
def test_edited_arguments_that_do_not_fit_decide_nothing(args, field):
    _, (approval,) = waiting_run()

    with pytest.raises(InvalidInput) as refused:
        decide(approval, "edit", args=args)
    assert field in refused.value.fields
    assert Approval.objects.get(pk=approval.pk).status == "pending"


def test_a_rejection_needs_a_reason_and_passes_it_on():
    run, (approval,) = waiting_run()
    with pytest.raises(InvalidInput, match="needs a reason"):
        decide(approval, "reject", reason="   ")

    decide(approval, "reject", reason="not this one")
    assert event(run, "approval.resolved").payload["reason"] == "not this one"


def test_an_unknown_decision_names_the_known_ones():
    _, (approval,) = waiting_run()

    with pytest.raises(InvalidInput, match="approve, edit, reject"):
        decide(approval, "perhaps")


def test_the_second_person_is_told_who_decided_what():
    _, (approval,) = waiting_run()
    decide(approval)

    with pytest.raises(Conflict, match="ada has already approved this") as conflict:
        decide(approval, "reject", by="eve", reason="no")
    assert conflict.value.current.status == "approved"


def test_the_same_decision_of_the_same_person_again_gets_the_same_answer_and_one_audit_row():
    _, (approval,) = waiting_run()
    first, second = decide(approval), decide(approval)

    assert first.decided_at == second.decided_at
    assert OperatorAction.objects.filter(action="resolve_approval").count() == 1


def test_the_same_decision_of_another_person_is_a_conflict():
    _, (approval,) = waiting_run()
    decide(approval)

    with pytest.raises(Conflict):
        decide(approval, by="eve")


@pytest.mark.parametrize("unknown", [uuid.uuid4(), "nonsense"])
def test_an_unknown_approval_is_an_error_that_says_so(unknown):
    with pytest.raises(NotFound, match="There is no approval"):
        approvals.resolve_approval(unknown, decision="approve", by=user())


def test_who_may_not_decide_is_refused_and_the_attempt_is_kept():
    _, (approval,) = waiting_run()
    get_user_model().objects.create_user("mallory", password="x")

    with pytest.raises(PermissionDenied):
        approvals.resolve_approval(approval.pk, decision="approve", by="mallory")
    assert OperatorAction.objects.get(action="resolve_approval").allowed is False
    assert Approval.objects.get(pk=approval.pk).status == "pending"


def test_an_unknown_user_cannot_decide():
    _, (approval,) = waiting_run()

    with pytest.raises(InvalidInput, match="no active user named 'nobody'"):
        approvals.resolve_approval(approval.pk, decision="approve", by="nobody")


def test_after_its_deadline_an_approval_cannot_be_decided():
    _, (approval,) = waiting_run()
    let_the_deadline_pass(approval)

    with pytest.raises(Conflict, match="deadline"):
        decide(approval)


def test_at_its_deadline_an_approval_is_rejected_unless_it_says_otherwise():
    run, (approval,) = waiting_run()
    let_the_deadline_pass(approval)

    assert approvals.expire_overdue() == 1
    closed = Approval.objects.get(pk=approval.pk)
    assert (closed.status, closed.decision) == ("expired", "expire")
    assert again(run).state == "resuming"
    assert approvals.expire_overdue() == 0


def test_a_deadline_may_cancel_the_run():
    run, (approval,) = waiting_run(ask(on_expiry="cancel"))
    let_the_deadline_pass(approval)
    approvals.expire_overdue()

    assert again(run).state == "cancelled"
    assert "nobody decided before" in again(run).reason


def test_a_deadline_may_approve():
    run, (approval,) = waiting_run(ask(on_expiry="approve"))
    let_the_deadline_pass(approval)
    approvals.expire_overdue()

    assert Approval.objects.get(pk=approval.pk).status == "approved"
    assert again(run).state == "resuming"


def resumed_lease():
    lease = claim()
    transitions.start(lease)
    return lease


@unit
def execute(lease, approval, args):
    approvals.consume(lease, approval, args)
    return journal.begin(
        lease, key=approval.step_key, kind=StepKind.TOOL, name="delete_file", args=args, retryable=False
    )


def test_an_approval_is_good_for_one_execution_with_exactly_these_arguments():
    _, (approval,) = waiting_run(ask(path="/tmp/a"))
    approval = decide(approval)
    lease = resumed_lease()

    with pytest.raises(ValueError, match="was not given for these arguments"):
        execute(lease, approval, {"path": "/etc/passwd"})
    execute(lease, approval, {"path": "/tmp/a"})
    with pytest.raises(ValueError, match="was used before"):
        execute(lease, approval, {"path": "/tmp/a"})


def test_a_worker_that_lost_the_run_cannot_use_its_approval():
    _, (approval,) = waiting_run()
    approval = decide(approval)
    lease = resumed_lease()
    transitions.release(lease, reason="drain")

    with pytest.raises(LeaseLost):
        execute(lease, approval, approval.args)
    assert Approval.objects.get(pk=approval.pk).consumed_at is None


def test_a_question_is_answered_by_its_schema():
    question = ask(kind=ApprovalKind.QUESTION)
    schema = {"type": "integer", "minimum": 1}
    _, (approval,) = waiting_run(question)
    Approval.objects.filter(pk=approval.pk).update(args_schema=schema)

    for wrong in ({"answer": "three"}, {"answer": 0}, {"reply": 3}, 3, None):
        with pytest.raises(InvalidInput):
            decide(approval, "approve", args=wrong)
    assert decide(approval, "approve", args={"answer": 3}).effective_args == {"answer": 3}


def test_parking_with_nothing_left_to_ask_resumes_at_once():
    lease = running_run()
    approvals.park(lease, [])

    assert again(lease).state == "resuming"
    assert story(lease)[-2:] == ["run.state_changed", "run.state_changed"]
