#!/usr/bin/env python
"""Runwatch's command line: `manage.py help` lists the commands."""

import os
import sys


def main() -> None:
    """Run one command; a wrong setting is answered with one sentence and exit status 2."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "harness.config.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        _ = settings.INSTALLED_APPS
    except ImproperlyConfigured as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(2)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
