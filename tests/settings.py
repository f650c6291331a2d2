"""The product's settings, and what tests need otherwise: throw-away data, plain static names, a fast hasher.

TEST_DATABASE chooses `sqlite` (default) or `postgres`.
"""

import atexit
import os
import shutil
import tempfile

from tests.infra import postgres

_data = tempfile.mkdtemp(prefix="rw-tests-")
atexit.register(shutil.rmtree, _data, ignore_errors=True)
os.environ["HARNESS_DATA_DIR"] = _data
os.environ.setdefault("HARNESS_DRILLS", "1")
if os.environ.get("TEST_DATABASE", "sqlite") == "postgres":
    os.environ["DATABASE_URL"] = postgres.cluster().url("postgres")
else:
    os.environ.pop("DATABASE_URL", None)
os.environ.pop("REDIS_URL", None)

from harness.config.settings import *  # noqa: E402, F403
from harness.config.settings import DATA_DIR, DATABASES, STORAGES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 0
