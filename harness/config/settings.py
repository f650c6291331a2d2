"""All settings. Each can be given by an environment variable; a wrong one stops the start with a sentence."""

from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import dj_database_url
from csp.constants import NONE, SELF

from harness import conf
from harness.config import env
from harness.logs import without_password
from harness.stack import redis_server

BASE_DIR = Path(__file__).resolve().parent.parent.parent
DATA_DIR = env.path("HARNESS_DATA_DIR", BASE_DIR / ".data")

DEBUG = env.boolean("HARNESS_DEBUG", False)
HTTPS = env.boolean("HARNESS_HTTPS", False)
SECRET_KEY = env.secret("HARNESS_SECRET_KEY", kept_in=DATA_DIR / "secret_key")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *env.words("HARNESS_ALLOWED_HOSTS", [])]
CSRF_TRUSTED_ORIGINS = env.words("HARNESS_CSRF_TRUSTED_ORIGINS", [])

# --- The harness ---------------------------------------------------------------------------------------------------

_default: conf.Conf = conf.DEFAULTS
HARNESS: dict[str, Any] = {
    "LEASE_SECONDS": env.seconds("HARNESS_LEASE_SECONDS", _default.LEASE_SECONDS),
    "HEARTBEAT_INTERVAL_SECONDS": env.seconds(
        "HARNESS_HEARTBEAT_INTERVAL_SECONDS", _default.HEARTBEAT_INTERVAL_SECONDS
    ),
    "HEARTBEAT_TIMEOUT_SECONDS": env.seconds("HARNESS_HEARTBEAT_TIMEOUT_SECONDS", None),
    "RECOVERY_ENABLED": env.boolean("HARNESS_RECOVERY_ENABLED", _default.RECOVERY_ENABLED),
    "SUPERVISOR_INTERVAL_SECONDS": env.seconds(
        "HARNESS_SUPERVISOR_INTERVAL_SECONDS", _default.SUPERVISOR_INTERVAL_SECONDS
    ),
    "STUCK_AFTER_SECONDS": env.seconds("HARNESS_STUCK_AFTER_SECONDS", _default.STUCK_AFTER_SECONDS),
    "CANCEL_GRACE_SECONDS": env.seconds("HARNESS_CANCEL_GRACE_SECONDS", _default.CANCEL_GRACE_SECONDS),
    "MAX_CONCURRENT_RUNS": env.limit("HARNESS_MAX_CONCURRENT_RUNS", _default.MAX_CONCURRENT_RUNS),
    "MAX_CRASHES": env.integer("HARNESS_MAX_CRASHES", _default.MAX_CRASHES, minimum=1),
    "RETENTION_DAYS": env.integer("HARNESS_RETENTION_DAYS", _default.RETENTION_DAYS, minimum=1),
    "DRAIN_SECONDS": env.seconds("HARNESS_DRAIN_SECONDS", _default.DRAIN_SECONDS),
    "RUNS_PER_HORSE": env.integer("HARNESS_RUNS_PER_HORSE", _default.RUNS_PER_HORSE, minimum=1),
    "APPROVAL_TIMEOUT_SECONDS": env.seconds("HARNESS_APPROVAL_TIMEOUT_SECONDS", _default.APPROVAL_TIMEOUT_SECONDS),
    "MAX_INPUT_BYTES": env.integer("HARNESS_MAX_INPUT_BYTES", _default.MAX_INPUT_BYTES, minimum=1),
    "MAX_RESULT_BYTES": env.integer("HARNESS_MAX_RESULT_BYTES", _default.MAX_RESULT_BYTES, minimum=1),
    "DATA_DIR": DATA_DIR,
    "QUEUES": env.words("HARNESS_QUEUES", _default.QUEUES),
    "AGENTS": env.words("HARNESS_AGENTS", _default.AGENTS),
    "DEFAULT_AGENT": env.text("HARNESS_DEFAULT_AGENT", _default.DEFAULT_AGENT),
    "ROUTER": env.text("HARNESS_ROUTER", _default.ROUTER),
    "JANITOR_ROOTS": env.paths("HARNESS_JANITOR_ROOTS") or [DATA_DIR / "demo"],
    "DRILLS": env.boolean("HARNESS_DRILLS", DEBUG),
}
conf.check(HARNESS)

# What `manage.py up` starts.
UP: dict[str, Any] = {
    "HOST": env.text("HARNESS_HOST", "127.0.0.1"),
    "PORT": env.integer("PORT", 8000, minimum=1, maximum=65535),
    "WORKERS": env.integer("WORKERS", 2, minimum=0),
}

# --- Database, Redis, files ----------------------------------------------------------------------------------------

DATABASE_URL = env.url(
    "DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}", schemes={"sqlite", "postgres", "postgresql"}
)
try:
    DATABASES: dict[str, Any] = {"default": dj_database_url.parse(DATABASE_URL)}
except ValueError:
    shown = without_password(DATABASE_URL)
    raise env.wrong("DATABASE_URL", shown, "like postgres://user:password@host:5432/name") from None
_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = _database.get("OPTIONS", {}) | {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["OPTIONS"] = {"connect_timeout": 10, "application_name": "runwatch"} | _database.get("OPTIONS", {})
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.url("REDIS_URL", redis_server.embedded_url(DATA_DIR), schemes={"redis", "rediss", "unix"})
RQ_QUEUES = {
    name: {
        "URL": REDIS_URL,
        "SERIALIZER": "rq.serializers.JSONSerializer",
        "DEFAULT_TIMEOUT": -1,  # timeouts, retries and schedules are the ledger's
        "DEFAULT_RESULT_TTL": 0,
    }
    for name in HARNESS["QUEUES"]
}
RQ_SHOW_ADMIN_LINK = True

STATIC_URL = "/static/"
STATIC_ROOT = env.path("HARNESS_STATIC_ROOT", DATA_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "artifacts"
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
    "staticfiles": {"BACKEND": "servestatic.storage.CompressedManifestStaticFilesStorage"},
}

# --- Django --------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "harness",
    "dashboard",
    "django_htmx",
    "django_rq",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dashboard.middleware.from_a_page",
    "dashboard.middleware.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.shell",
            ]
        },
    }
]
ROOT_URLCONF = "harness.config.urls"
ASGI_APPLICATION = "harness.config.asgi.application"
WSGI_APPLICATION = "harness.config.wsgi.application"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

USE_TZ = True
TIME_ZONE = env.text("HARNESS_TIME_ZONE", "UTC")
if TIME_ZONE not in available_timezones():
    raise env.wrong("HARNESS_TIME_ZONE", TIME_ZONE, "a time zone like UTC or Europe/Berlin")
LANGUAGE_CODE = "en"

# --- Security ------------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 20_000_000  # above MAX_INPUT_BYTES, so that the form itself can say what is too big
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CSRF_FAILURE_VIEW = "dashboard.views.errors.csrf_failure"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "runwatch_session"
CSRF_COOKIE_NAME = "runwatch_csrf"
if HTTPS:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 86400
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- Logging: one line per event on stdout -------------------------------------------------------------------------

LOG_LEVEL = env.text("HARNESS_LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise env.wrong("HARNESS_LOG_LEVEL", LOG_LEVEL, "DEBUG, INFO, WARNING or ERROR")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "harness.logs.LineFormatter"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "line"}},
    "root": {"handlers": ["stdout"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "circus": {"level": "WARNING"},
        "rq": {"level": "WARNING"},
        "uvicorn": {"handlers": [], "propagate": True},
        "uvicorn.access": {"handlers": [], "propagate": False},
    },
}
