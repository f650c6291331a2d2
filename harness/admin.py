"""The ledger in Django's admin: everything can be looked up, next to nothing changed, nothing added or deleted.

Work on runs (cancel, retry, decide, pause) is done on the dashboard, which each page here links to. Lists never count
or sort a whole table, and payloads are for those who hold harness.view_payload.
"""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import get_script_prefix
from django.utils.functional import cached_property
from django.utils.html import format_html

from harness import origin, threads
from harness.models import (
    Approval,
    Artifact,
    Event,
    OperatorAction,
    Queue,
    RecoveryIntent,
    Run,
    RunControl,
    RunQueue,
    RunRequest,
    Step,
    Thread,
    ThreadMessage,
    Worker,
)

admin.site.site_header = "Runwatch data"
admin.site.site_title = "Runwatch data"
admin.site.index_title = "Look things up"

MOST_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Pages through the first MOST_COUNTED rows and counts no further."""

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Any], self.object_list)
        return rows[:MOST_COUNTED].count()


class WithoutPayloads(ChangeList):
    """Rows of a list without their large columns."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        return super().get_queryset(request, exclude_parameters).defer(*cast(LedgerAdmin, self.model_admin).payloads)


class AgentFilter(admin.SimpleListFilter):
    """By registered agent: asking the table for its distinct values would read all of it."""

    title = parameter_name = "agent"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        from harness.agents.registry import all_agents

        return [(agent.name, agent.name) for agent in all_agents()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(agent=self.value()) if self.value() else queryset


class QueueFilter(admin.SimpleListFilter):
    title = "queue"
    parameter_name = "queue_key"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(key, key) for key in Queue.objects.order_by("key").values_list("key", flat=True)[:100]]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(queue_key=self.value()) if self.value() else queryset


class LedgerAdmin(admin.ModelAdmin):
    """To look at, not to touch. `page` is where on the dashboard the thing is shown."""

    page = ""
    search_ids: tuple[str, ...] = ("pk",)
    search_words: tuple[str, ...] = ()
    payloads: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    actions = None
    ordering = ("-pk",)
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 0
    list_display_links = ("pk",)
    show_full_result_count = False
    paginator = CappedPaginator
    search_fields = ("pk",)
    search_help_text = "An id, in full."

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        may_read = request.user.has_perm("harness.view_payload")
        return self.hidden if may_read else (*self.hidden, *self.payloads)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WithoutPayloads

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        return (queryset.filter(self._named(term)) if term else queryset), False

    def view_on_site(self, obj: Model) -> str:
        return get_script_prefix().rstrip("/") + self.page.format(row=obj)

    def _named(self, term: str) -> Q:
        """Exact matches only: each is answered by an index."""
        try:
            fields: tuple[str, ...] = self.search_ids
            value: UUID | str = UUID(term)
        except ValueError:
            fields, value = self.search_words, term
        return Q.create([(field, value) for field in fields], connector=Q.OR) or Q(pk__in=[])


class OfRunAdmin(LedgerAdmin):
    """Something that belongs to a run."""

    page = "/runs/{row.run_id}/"
    search_ids: tuple[str, ...] = ("pk", "run_id")
    search_help_text = "An id, or that of a run, in full."

    @admin.display(description="run")
    def of_run(self, row: Any) -> str:
        return format_html('<a href="{}">{}</a>', self.view_on_site(row), row.run_id) if row.run_id else "-"


@admin.register(Run)
class RunAdmin(LedgerAdmin):
    page = "/runs/{row.pk}/"
    list_display = ("pk", "state", "agent", "queue_key", "priority", "attempt", "created_at", "finished_at", "reason")
    list_filter = ("state", AgentFilter, QueueFilter)
    search_ids = ("pk", "thread_id")
    search_words = ("agent",)
    search_help_text = "The id of a run or thread, in full, or the name of an agent."
    payloads = ("output", "error")


@admin.register(Thread)
class ThreadAdmin(LedgerAdmin):
    """Title and metadata are the only fields of the whole ledger that can be changed here."""

    page = "/threads/{row.pk}/"
    list_display = ("pk", "title", "agent", "status", "updated_at")
    list_filter = ("status",)
    search_words = ("agent",)
    search_help_text = "The id of a thread, in full, or the name of an agent."
    fields = ("title", "metadata", "agent", "status", "created_by", "created_at", "updated_at")
    readonly_fields = ("agent", "status", "created_by", "created_at", "updated_at")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("harness.change_thread")

    def save_model(self, request: HttpRequest, obj: Thread, form: ModelForm, change: bool) -> None:
        with origin.of("admin", request.META.get("REMOTE_ADDR")):
            threads.describe(obj.pk, title=obj.title, metadata=obj.metadata, by=request.user)


@admin.register(ThreadMessage)
class ThreadMessageAdmin(OfRunAdmin):
    page = "/threads/{row.thread_id}/"
    list_display = ("pk", "role", "thread_id", "of_run", "created_at")
    search_ids = ("pk", "thread_id", "run_id")
    search_help_text = "The id of a message, thread or run, in full."
    payloads = ("content",)

    @admin.display(description="run")
    def of_run(self, row: ThreadMessage) -> str:
        return str(row.run_id or "-")


@admin.register(RunRequest)
class RunRequestAdmin(OfRunAdmin):
    list_display = ("pk", "of_run", "cleared_at")
    search_ids = ("pk",)
    payloads = ("input", "invocation")


@admin.register(RunQueue)
class RunQueueAdmin(OfRunAdmin):
    list_display = ("pk", "of_run", "queue_key", "priority", "available_at", "claimed_by_id", "lease_expires_at")
    list_filter = (QueueFilter,)
    search_ids = ("pk", "claimed_by_id")
    search_help_text = "The id of a run or worker, in full."


@admin.register(RunControl)
class RunControlAdmin(OfRunAdmin):
    list_display = ("pk", "of_run", "heartbeat_at", "progress_at", "cancel_requested", "cancel_by_name", "deadline")
    search_ids = ("pk",)
    payloads = ("receipt",)


@admin.register(RecoveryIntent)
class RecoveryIntentAdmin(OfRunAdmin):
    list_display = ("pk", "of_run", "kind", "attempts", "created_at")
    search_ids = ("pk",)
    payloads = ("payload",)


@admin.register(Step)
class StepAdmin(OfRunAdmin):
    list_display = ("pk", "of_run", "seq", "key", "kind", "status", "executions", "started_at", "finished_at")
    payloads = ("args", "result", "error")


@admin.register(Approval)
class ApprovalAdmin(OfRunAdmin):
    page = "/approvals/{row.pk}/"
    list_display = ("pk", "status", "kind", "tool", "run_id", "expires_at", "decided_by_name", "decided_at")
    list_filter = ("status",)
    search_words = ("tool",)
    search_help_text = "The id of an approval or run, in full, or the name of a tool."
    payloads = ("args", "edited_args", "summary")


@admin.register(Event)
class EventAdmin(OfRunAdmin):
    list_display = ("pk", "of_run", "seq", "type", "actor", "created_at")
    payloads = ("payload",)


@admin.register(Artifact)
class ArtifactAdmin(OfRunAdmin):
    """Files are downloaded on the page of their run, where it is checked who may."""

    list_display = ("pk", "of_run", "name", "content_type", "size", "created_at")
    hidden = ("file",)


@admin.register(Queue)
class QueueAdmin(LedgerAdmin):
    page = "/queues/"
    list_display = ("pk", "max_concurrent_runs", "paused_at", "paused_until", "paused_reason")
    ordering = ("pk",)
    search_ids = ()
    search_words = ("pk",)
    search_help_text = "The key of a queue."


@admin.register(Worker)
class WorkerAdmin(LedgerAdmin):
    page = "/workers/"
    list_display = ("pk", "name", "kind", "host", "pid", "version", "started_at", "heartbeat_at", "stopped_at")
    list_filter = ("kind",)


@admin.register(OperatorAction)
class OperatorActionAdmin(LedgerAdmin):
    page = "/audit/"
    list_display = ("pk", "created_at", "by_name", "action", "object_type", "object_id", "allowed", "origin")
    search_ids = ("pk", "run_id")
    search_help_text = "The id of an action or run, in full."
    payloads = ("before", "after")
