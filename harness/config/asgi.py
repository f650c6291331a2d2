"""The web process: Django, with the static files in front of it."""

import os
import re
from typing import Any

from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "harness.config.settings")
django_application = get_asgi_application()

from django.conf import settings  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402
from servestatic import ServeStaticASGI  # noqa: E402

HASHED = re.compile(r"\.[0-9a-f]{12}\.[^/]+$")


def _with_static_files(application: ASGIHandler) -> Any:
    if settings.DEBUG:
        return ASGIStaticFilesHandler(application)
    return ServeStaticASGI(
        application,
        root=settings.STATIC_ROOT,
        prefix=settings.STATIC_URL,
        allow_all_origins=False,
        immutable_file_test=lambda path, url: HASHED.search(url) is not None,
        add_headers_function=lambda headers, path, url: headers.__setitem__("X-Content-Type-Options", "nosniff"),
    )


application = _with_static_files(django_application)
