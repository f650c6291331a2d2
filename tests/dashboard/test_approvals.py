"""The inbox and the decision, as a browser without scripts and as one with htmx see them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from harness.approvals import Ask, resolve_approval
from harness.models import Approval
from harness.states import ApprovalKind
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)

HTMX = {"HX-Request": "true"}
MAIL = {
    "subject": "Tonight",
    "body": "Hello,\n\n  two lines\n",
    "retries": 3,
    "rate": 3.0,
    "urgent": False,
    "priority": "normal",
    "to": ["a@example.com"],
    "headers": {"id": 9007199254740993},
}
MAIL_SCHEMA = {
    "type": "object",
    "properties": {
        "subject": {"type": "string", "maxLength": 20},
        "body": {"type": "string"},
        "retries": {"type": "integer"},
        "rate": {"type": "number"},
        "urgent": {"type": "boolean"},
        "priority": {"enum": ["low", "normal", "high"]},
        "to": {"type": "array", "items": {"type": "string"}},
        "headers": {"type": "object"},
        "note": {"type": "string"},
    },
    "required": ["subject", "body"],
}


@pytest.fixture
def ada(client: Client) -> Client:
    client.force_login(world.user())
    return client


def asked(**fields: Any) -> Approval:
    wish = {"step_key": "send_mail#1", "tool": "send_mail", "args": MAIL, "args_schema": MAIL_SCHEMA}
    _, (approval,) = world.waiting_run(Ask(**wish | fields))
    return approval


def send(client: Client, approval: Approval, htmx: bool = True, **form: Any) -> Any:
    url = reverse("dashboard:resolve_approval", args=[approval.pk])
    return client.post(url, form, headers=HTMX if htmx else {})


def as_shown(client: Client, approval: Approval) -> dict[str, str]:
    """What the edit form of the card would send if nothing were changed."""
    from dashboard.forms.decide import EditForm

    page = client.get(reverse("dashboard:approval", args=[approval.pk])).content.decode()
    form = EditForm(approval)
    assert all(f'name="{name}"' in page for name in form.fields)
    return {bound.html_name: bound.value() for bound in form if bound.value() not in (False, None)}


def test_the_inbox_has_the_nearest_deadline_first(ada: Client) -> None:
    later = asked(tool="later", expires_in=timedelta(hours=9))
    sooner = asked(tool="sooner", expires_in=timedelta(minutes=9))

    page = ada.get("/approvals/").content.decode()

    assert page.index(f"approval-{sooner.pk}") < page.index(f"approval-{later.pk}")
    assert "<title>2 to decide · Approvals · Runwatch</title>" in page


def test_the_inbox_can_be_narrowed_by_tool(ada: Client) -> None:
    asked(tool="send_mail")
    other = asked(tool="delete_file")

    page = ada.get("/approvals/", {"tool": "delete_file"}).content.decode()

    assert re.findall(r'id="approval-([^"]+)"', page) == [str(other.pk)]


def test_every_argument_is_shown_in_full_and_as_text(ada: Client) -> None:
    asked(args={"path": "<script>alert(1)</script>", "n": 9007199254740993})

    page = ada.get("/approvals/").content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "9007199254740993" in page


def test_approving_leads_back_to_the_inbox_without_scripts(ada: Client) -> None:
    approval = asked()

    answer = send(ada, approval, htmx=False, decision="approve")

    assert answer.status_code == 302
    assert "send_mail is approved." in ada.get(answer.url).content.decode()
    assert world.again(approval.run).state == "resuming"


def test_approving_by_htmx_answers_with_the_decided_card(ada: Client) -> None:
    approval = asked()

    answer = send(ada, approval, decision="approve")

    assert answer.status_code == 200
    assert answer.content.decode().lstrip().startswith(f'<article id="approval-{approval.pk}"')
    assert "is-approved" in answer.content.decode()


def test_an_edit_that_changes_nothing_keeps_every_json_type(ada: Client) -> None:
    approval = asked()

    answer = send(ada, approval, decision="edit", **as_shown(ada, approval))

    approval.refresh_from_db()
    assert answer.status_code == 200, answer.content.decode()
    assert approval.edited_args == MAIL
    assert all(type(value) is type(MAIL[name]) for name, value in approval.edited_args.items())


def test_line_breaks_of_the_browser_do_not_change_a_text(ada: Client) -> None:
    approval = asked()
    form = as_shown(ada, approval) | {"arg:body": "Hello,\r\n\r\n  two lines\r\n"}

    send(ada, approval, decision="edit", **form)

    approval.refresh_from_db()
    assert approval.edited_args["body"] == MAIL["body"]


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("retries", "many", "Enter a whole number."),
        ("retries", "3.5", "Enter a whole number."),
        ("rate", "NaN", "Enter a number."),
        ("headers", "{oops", "This is not JSON"),
        ("to", "[1]", "is not of type &#x27;string&#x27;"),
        ("subject", "much too long for this field", "is too long"),
        ("priority", '"urgent"', "Select a valid choice"),
    ],
)
def test_a_wrong_value_is_told_beside_its_field(ada: Client, field: str, typed: str, sentence: str) -> None:
    approval = asked()

    answer = send(ada, approval, decision="edit", **as_shown(ada, approval) | {f"arg:{field}": typed})

    wrong = re.findall(r'<p class="error"[^>]*id="([^"]*)"[^>]*>([^<]*)', answer.content.decode())
    assert answer.status_code == 422
    assert [(name.endswith(f"arg:{field}_error"), sentence in said) for name, said in wrong] == [(True, True)]
    assert Approval.objects.get(pk=approval.pk).status == "pending"


def test_a_rejection_without_reason_is_refused_beside_the_field(ada: Client) -> None:
    approval = asked()

    answer = send(ada, approval, decision="reject", reason="  ")

    assert answer.status_code == 422
    assert "Say why: the reason reaches the agent." in answer.content.decode()


def test_the_same_refusal_without_scripts_is_a_whole_page_with_the_form_open(ada: Client) -> None:
    answer = send(ada, asked(), htmx=False, decision="reject", reason="")

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "</html>" in page
    assert re.search(r'<details[^>]*data-key="r" open>', page)


def test_a_rejection_keeps_its_reason(ada: Client) -> None:
    approval = asked()

    send(ada, approval, decision="reject", reason="not this customer")

    approval.refresh_from_db()
    assert (approval.status, approval.reason) == ("rejected", "not this customer")


def test_a_choice_is_answered_with_one_of_its_values(ada: Client) -> None:
    approval = asked(tool="ask", kind=ApprovalKind.QUESTION, args={}, args_schema={"enum": [24, 240]})

    send(ada, approval, decision="edit", **{"arg:answer": "240"})

    approval.refresh_from_db()
    assert (approval.status, approval.edited_args) == ("approved", {"answer": 240})


def test_an_empty_answer_to_a_question_is_refused_beside_the_field(ada: Client) -> None:
    approval = asked(tool="ask", kind=ApprovalKind.QUESTION, args={}, args_schema={"enum": [24, 240]})

    answer = send(ada, approval, decision="edit")

    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()


def test_a_lost_step_takes_the_result_that_a_person_found(ada: Client) -> None:
    approval = asked(kind=ApprovalKind.RECOVERY)
    page = ada.get(reverse("dashboard:approval", args=[approval.pk])).content.decode()
    assert "It did not happen: run it again" in page
    assert "Fail the run" in page

    send(ada, approval, decision="edit", **{"arg:result": '{"freed": 7}'})

    approval.refresh_from_db()
    assert approval.edited_args == {"result": {"freed": 7}}


def test_the_slower_of_two_people_sees_who_decided_what(ada: Client) -> None:
    approval = asked()
    resolve_approval(approval.pk, decision="reject", by=world.user("bob"), reason="too early")

    answer = send(ada, approval, decision="approve")

    card = answer.content.decode()
    assert answer.status_code == 409
    assert "bob has already rejected this: too early." in card
    assert "is-rejected" in card


def test_the_same_decision_sent_twice_gets_the_same_answer(ada: Client) -> None:
    approval = asked()

    first, second = send(ada, approval, decision="approve"), send(ada, approval, decision="approve")

    assert (first.status_code, second.status_code) == (200, 200)
    assert Approval.objects.get(pk=approval.pk).decided_by_name == "ada"


def test_who_may_only_look_gets_a_sentence_and_no_buttons(client: Client) -> None:
    viewer = get_user_model().objects.create_user("vera", password="pw-of-vera")
    viewer.user_permissions.add(Permission.objects.get(codename="view_approval"))
    client.force_login(viewer)
    approval = asked()

    page = client.get("/approvals/").content.decode()
    answer = send(client, approval, decision="approve")

    assert "not decide it" in page
    assert "MAIL" not in page
    assert "Tonight" not in page
    assert answer.status_code == 403
    assert "vera may not do this" in answer.content.decode()
    assert answer["HX-Retarget"] == "#notices"


def test_an_unknown_approval_is_a_page_that_says_so(ada: Client) -> None:
    answer = ada.get("/approvals/00000000-0000-7000-8000-000000000000/")

    assert answer.status_code == 404
    assert "does not exist" in answer.content.decode()


def test_a_get_decides_nothing(ada: Client) -> None:
    approval = asked()

    answer = ada.get(reverse("dashboard:resolve_approval", args=[approval.pk]))

    assert answer.status_code == 405
    assert Approval.objects.get(pk=approval.pk).status == "pending"


@pytest.mark.parametrize("how_many", [1, 12])
def test_the_inbox_asks_the_database_a_fixed_number_of_times(
    ada: Client, how_many: int, django_assert_num_queries: Any
) -> None:
    for number in range(how_many):
        asked(step_key=f"send_mail#{number}")

    with django_assert_num_queries(6):  # session, user; cards, lately, agents, tools
        ada.get("/approvals/", headers=HTMX | {"HX-Target": "section#inbox"})


def test_the_card_says_how_risky_the_tool_is_and_nothing_where_it_is_not_known(client: Client) -> None:
    client.force_login(world.user())
    _, (known,) = world.waiting_run(agent="disk-janitor", queue_key="one")
    _, (unknown,) = world.waiting_run(agent="long-gone", queue_key="two")

    assert "high risk" in client.get(reverse("dashboard:approval", args=[known.pk])).content.decode()
    assert " risk</span>" not in client.get(reverse("dashboard:approval", args=[unknown.pk])).content.decode()
