"""An agent for tests of the commands. It prints when it is loaded, as modules of people may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired

from typing_extensions import TypedDict

from harness.agents import agent

if TYPE_CHECKING:
    from harness.agents import RunContext

print("the sample agents are loaded")


class Greeting(TypedDict):
    name: str
    times: NotRequired[int]


@agent("greeter", description="Says hello.", example={"name": "Ada"})
def greeter(ctx: RunContext, request: Greeting) -> str:
    return " ".join(["hello", request["name"]] * request.get("times", 1))
