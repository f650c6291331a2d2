"""The product's settings with what tests need otherwise: a throw-away data folder, plain static names, a fast hasher."""

import os
import tempfile

os.environ["HARNESS_DATA_DIR"] = tempfile.mkdtemp(prefix="runwatch-tests-")
os.environ.setdefault("HARNESS_DRILLS", "1")

from harness.config.settings import *  # noqa: F403
from harness.config.settings import DATA_DIR, DATABASES, STORAGES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
