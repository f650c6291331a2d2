"""Agents that are Python functions."""

from __future__ import annotations

from harness.agents.adapters import Done, Resume, Start
from harness.agents.async_context import AsyncRunContext
from harness.agents.bridge import run_async
from harness.agents.context import RunContext
from harness.agents.spec import AgentSpec
from harness.interrupts import Interrupts


class PlainAdapter:
    """Calls the function from the top each time: its journal is the checkpoint, so it never returns Paused."""

    def __init__(self, spec: AgentSpec, interrupts: Interrupts) -> None:
        self.spec, self.interrupts = spec, interrupts

    def run(self, work: Start | Resume, ctx: RunContext) -> Done:
        if isinstance(work, Resume):
            raise TypeError(f"{self.spec.name} is a function; it starts again from the top and is never resumed")
        request = (work.input,) if self.spec.takes_input else ()
        if self.spec.is_async:
            return Done(run_async(self.interrupts, lambda: self.spec.fn(AsyncRunContext(ctx), *request)))
        with self.interrupts.exposed():
            return Done(self.spec.fn(ctx, *request))
