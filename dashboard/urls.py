"""The table of contents: every page and every action."""

from django.urls import path

from dashboard.views import (
    approvals,
    artifacts,
    audit,
    health,
    live,
    overview,
    probes,
    queues,
    run,
    runs,
    start,
    threads,
    workers,
)

app_name = "dashboard"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("runs/", runs.index, name="runs"),
    path("runs/cancel/", runs.cancel, name="cancel_runs"),
    path("runs/start/", start.start, name="start_run"),
    path("runs/start/agent/", start.agent, name="start_agent"),
    path("runs/<uuid:run_id>/", run.page, name="run"),
    path("runs/<uuid:run_id>/cancel/", run.cancel, name="cancel_run"),
    path("runs/<uuid:run_id>/retry/", run.retry, name="retry_run"),
    path("runs/<uuid:run_id>/json/", run.raw, name="run_json"),
    path("runs/<uuid:run_id>/values/<slug:part>/", run.part, name="run_value"),
    path("runs/<uuid:run_id>/values/<slug:part>/<int:number>/", run.part, name="run_value"),
    path("runs/<uuid:run_id>/artifacts/<uuid:artifact_id>/", artifacts.download, name="artifact"),
    path("threads/", threads.index, name="threads"),
    path("threads/<uuid:thread_id>/", threads.page, name="thread"),
    path("approvals/", approvals.index, name="approvals"),
    path("approvals/<uuid:approval_id>/", approvals.page, name="approval"),
    path("approvals/<uuid:approval_id>/resolve/", approvals.resolve, name="resolve_approval"),
    path("health/", health.index, name="health"),
    path("queues/", queues.index, name="queues"),
    path("queues/<str:key>/pause/", queues.pause, name="pause_queue"),
    path("queues/<str:key>/resume/", queues.resume, name="resume_queue"),
    path("queues/<str:key>/limit/", queues.limit, name="limit_queue"),
    path("workers/", workers.index, name="workers"),
    path("workers/<uuid:worker_id>/drain/", workers.drain, name="drain_worker"),
    path("audit/", audit.index, name="audit"),
    # The page around the pages
    path("nav/", live.nav, name="nav"),
    path("live/", live.stream, name="live"),
    # For machines
    path("healthz", probes.healthz, name="healthz"),
    path("readyz", probes.readyz, name="readyz"),
    path("metrics", probes.figures, name="metrics"),
]
