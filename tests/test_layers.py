"""The import graph: each layer may use those above it in this list, never those below."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = [
    {"states", "errors", "leases", "conf", "clock", "db", "canonical", "origin", "interrupts", "logs"},
    {"models"},
    {"events", "signs", "limits", "audit", "dispatch", "answers", "serialize", "workers"},
    {"journal", "threads", "artifacts"},
    {"transitions"},
    {"approvals"},
    {"agents"},
    {"control", "recovery", "runner", "retention", "invariants"},
    {"health", "supervisor", "worker"},
    {"metrics", "admin", "stack", "apps"},
    {"management", "dashboard"},
]
LEVEL = {module: level for level, layer in enumerate(LAYERS) for module in layer}


def sources() -> list[Path]:
    found = [*ROOT.glob("harness/**/*.py"), *ROOT.glob("dashboard/**/*.py")]
    return [path for path in found if "migrations" not in path.parts]


def home(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "dashboard" if parts[0] == "dashboard" else parts[1]


def imports(tree: ast.AST) -> Iterator[str]:
    """Names of our own modules that are imported at run time, as layers know them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from _named(node.module, [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _named(alias.name, [])
        yield from imports(node)


def _named(module: str, names: list[str]) -> Iterator[str]:
    parts = module.split(".")
    if parts[0] == "dashboard":
        yield "dashboard"
    elif parts == ["harness"]:
        yield from (name for name in names if not name.startswith("__"))
    elif parts[0] == "harness":
        yield parts[1]


def uses() -> list[tuple[str, str, Path]]:
    found = []
    for path in sources():
        me = home(path)
        if me in ("config", "__init__"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [(me, other, path.relative_to(ROOT)) for other in imports(tree) if other != me]
    return found


def test_every_module_has_a_layer():
    homes = {me for me, _, _ in uses()} | {other for _, other, _ in uses()}

    assert homes <= set(LEVEL)


def test_imports_point_to_layers_above():
    wrong = sorted(
        {f"{path} ({me}) imports {other}" for me, other, path in uses() if LEVEL.get(other, 99) > LEVEL.get(me, -1)}
    )

    assert wrong == []


@pytest.mark.parametrize("package", ["harness", "dashboard"])
def test_nobody_imports_the_composition_root(package):
    assert [str(path) for _, other, path in uses() if other == "config" and path.parts[0] == package] == []


def test_the_harness_knows_nothing_of_the_dashboard():
    assert [str(path) for me, other, path in uses() if other == "dashboard" and me != "dashboard"] == []
