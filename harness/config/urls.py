"""Where the parts of Runwatch answer."""

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib import admin
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import include, path
from django_rq.urls import urlpatterns as rq_pages


@login_not_required
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for it on pages that name no icon, like those of the admin."""
    return redirect(staticfiles_storage.url("dashboard/icons/favicon.svg"))


for page in rq_pages:  # they bring <style> elements; no other page may
    page.callback = csp_update({"style-src": [UNSAFE_INLINE]})(page.callback)

urlpatterns = [
    path("accounts/login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("favicon.ico", favicon, name="favicon"),
    path("admin/rq/", include((rq_pages, "django_rq"))),
    path("admin/", admin.site.urls),
    path("", include("dashboard.urls", namespace="dashboard")),
]

handler400 = "dashboard.views.errors.bad_request"
handler403 = "dashboard.views.errors.forbidden"
handler404 = "dashboard.views.errors.not_found"
handler500 = "dashboard.views.errors.server_error"
