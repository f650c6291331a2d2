from importlib import import_module

from django.apps import AppConfig


class HarnessConfig(AppConfig):
    name = "harness"
    verbose_name = "Runwatch"

    def ready(self) -> None:
        import_module("harness.agents.checks")
