"""Everything that `manage.py up` starts on one machine: an embedded Redis, web, workers, supervisor, and their end."""
