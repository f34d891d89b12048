"""The direction of imports: pipelines → transforms → schemas, and Beam only where it is needed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "schemas": {"schemas"},
    "transforms": {"schemas", "transforms"},
    "pipelines": {"schemas", "transforms", "pipelines"},
}
OURS = {*MAY_IMPORT, "infra", "tests", "examples", "benchmarks"}


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yields what a file imports: modules, and `module.name`, since a name may be a module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A dot of its own stands for a relative import, which no package may hide behind.
            module = "." * node.level + (node.module or "")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _at_import_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes that run when the module is imported: not functions, not type checking."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _at_import_time(node)


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def _packages(root: Path) -> Iterator[Path]:
    for package in MAY_IMPORT:
        yield from sorted((root / package).rglob("*.py"))


def _top(module: str) -> str:
    return module.split(".")[0]


def _reversed(root: Path) -> list[str]:
    """Returns every import of ours that goes against the direction."""
    return [
        f"{path.relative_to(root)} imports {module}"
        for path in _packages(root)
        for module in _imports(ast.walk(_parse(path)))
        if module.startswith(".")
        or _top(module) in OURS - MAY_IMPORT[path.relative_to(root).parts[0]]
    ]


def _files(root: Path, module: str) -> list[Path]:
    """Returns the files that an import of a module of ours runs, its packages' own included."""
    parts = module.split(".")
    if parts[0] not in MAY_IMPORT:
        return []
    stems = [root.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    candidates = [*(stem / "__init__.py" for stem in stems), stems[-1].with_suffix(".py")]
    return [path for path in candidates if path.is_file()]


def _beam_reached_from(root: Path, start: str) -> dict[str, list[str]]:
    """Returns the modules that import Beam when a file is imported, each with the way there."""
    ways = {root / start: [start]}
    queue, found = [root / start], {}
    while queue:
        path = queue.pop()
        for module in _imports(_at_import_time(_parse(path))):
            if _top(module) == "apache_beam":
                found[str(path.relative_to(root))] = ways[path]
            for file in _files(root, module):
                if file not in ways:
                    ways[file] = [*ways[path], str(file.relative_to(root))]
                    queue.append(file)
    return found


def test_imports_go_from_pipelines_to_transforms_to_schemas() -> None:
    assert len(list(_packages(ROOT))) > 30
    assert _reversed(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("schemas/a.py", "from transforms.text import x"),
        ("transforms/a.py", "def f():\n    import pipelines.plan"),
        ("pipelines/a.py", "import infra"),
        ("pipelines/a.py", "from tests.conftest import x"),
        ("schemas/a.py", "from . import b"),
    ],
    ids=["back-to-transforms", "back-in-a-function", "infra", "tests", "relative"],
)
def test_an_import_against_the_direction_is_found(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / file
    path.parent.mkdir()
    path.write_text(line)
    assert _reversed(tmp_path)


def test_nothing_imports_infra() -> None:
    importers = [
        str(path)
        for folder in (*MAY_IMPORT, "tests", "examples", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if any(_top(module) == "infra" for module in _imports(ast.walk(_parse(path))))
    ]
    assert importers == []


def test_asking_knows_of_beam_in_one_file_alone() -> None:
    folder = ROOT / "transforms/teachers"
    assert (folder / "ask_teachers.py").is_file()
    importers = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if any(_top(module) == "apache_beam" for module in _imports(ast.walk(_parse(path))))
    }
    assert importers == {"ask_teachers.py"}


@pytest.mark.parametrize("start", ["pipelines/cli.py", "pipelines/plan.py", "pipelines/flex.py"])
def test_commands_that_need_no_beam_do_not_import_it(start: str) -> None:
    assert _beam_reached_from(ROOT, start) == {}


def test_a_way_to_beam_is_found(tmp_path: Path) -> None:
    for file, text in {
        "pipelines/cli.py": "from pipelines import plan\n\ndef run():\n    import apache_beam\n",
        "pipelines/plan.py": "class A:\n    from transforms.text import b\n",
        "transforms/__init__.py": "import apache_beam.metrics\n",
        "transforms/text.py": "b = 1\n",
    }.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    way = ["pipelines/cli.py", "pipelines/plan.py", "transforms/__init__.py"]
    assert _beam_reached_from(tmp_path, "pipelines/cli.py") == {"transforms/__init__.py": way}
