"""The table of contents: every page and every action."""

from django.urls import path

from dashboard.views import approvals, audit, health, live, overview, probes, queues, workers

app_name = "dashboard"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("approvals/", approvals.index, name="approvals"),
    path("health/", health.index, name="health"),
    path("queues/", queues.index, name="queues"),
    path("workers/", workers.index, name="workers"),
    path("audit/", audit.index, name="audit"),
    # The page around the pages
    path("nav/", live.nav, name="nav"),
    path("live/", live.stream, name="live"),
    # For machines
    path("healthz", probes.healthz, name="healthz"),
]
