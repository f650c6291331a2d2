"""For hosts that only speak WSGI; live updates over the event stream want the ASGI application."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "harness.config.settings")
application = get_wsgi_application()
