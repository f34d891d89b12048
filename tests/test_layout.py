"""The order of rooms: every import runs down, and Beam is imported only where it is needed.

`pytest tests/test_layout.py -s -k rooms` prints the rooms with their floor and their lines.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("schemas", "transforms", "pipelines", "stillroom")
OURS = {*PACKAGES, "infra", "tests", "examples", "benchmarks"}

# From the ground up. A room imports rooms of lower floors; rooms of one floor do not know each
# other. A module that lies beside the rooms is a room of its own.
FLOORS = (
    ("schemas",),
    ("schemas.inputs",),
    (
        "transforms.ahead",
        "transforms.clock",
        "transforms.markdown",
        "transforms.text",
        "transforms.transport",
        "transforms.storage",
    ),
    ("transforms.dialects",),
    ("transforms.work", "transforms.providers"),
    ("transforms.filters", "transforms.guard", "transforms.ledger"),
    ("transforms.corpus", "transforms.limits"),
    ("transforms.auditing", "transforms.dedupe", "transforms.job"),
    ("transforms.prompts",),
    ("transforms.asking",),
    ("transforms.records",),
    ("transforms.judging", "transforms.choosing"),
    ("transforms.publishing",),
    ("pipelines.planning", "pipelines.runners", "pipelines.graph"),
    ("pipelines.results",),
    ("pipelines.display",),
    ("pipelines.launch",),
    ("pipelines.commands",),
    ("pipelines.cli", "pipelines.flex_template"),
    ("stillroom",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS, 1) for room in rooms}
_DIVIDED = set(PACKAGES) - set(FLOOR_OF)  # packages that are no room themselves
MOST_LINES = 400  # of a module
MOST_SHARE = 0.1  # of a room, in the lines of all rooms


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yields what a file imports: modules, and `module.name`, since a name may be a module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A name of dots is a relative import, which is not allowed.
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
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def _top(module: str) -> str:
    return module.split(".")[0]


def _room(module: str) -> str:
    """Returns the room of a module: two steps of its name, or its package for what lies beside."""
    room = ".".join(module.split(".")[:2])
    return room if room in FLOOR_OF or _top(module) not in FLOOR_OF else _top(module)


def _module(root: Path, path: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _runs_up(room: str, module: str) -> bool:
    """Whether an import of a module of ours does not run down, or leaves the packages."""
    if module.startswith("."):
        return True
    if _top(module) not in OURS or _room(module) == room or module in _DIVIDED:
        return False
    return FLOOR_OF.get(_room(module), len(FLOORS)) >= FLOOR_OF[room]


def _upward(root: Path) -> list[str]:
    """Returns every import of ours that does not run down."""
    return sorted(
        {
            f"{path.relative_to(root)} imports {module}"
            for path in _packages(root)
            if _module(root, path) not in _DIVIDED
            for module in _imports(ast.walk(_parse(path)))
            if _runs_up(_room(_module(root, path)), module)
        }
    )


def _files(root: Path, module: str) -> list[Path]:
    """Returns the files that an import of a module of ours runs, its packages' own included."""
    parts = module.split(".")
    if parts[0] not in PACKAGES:
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


def _lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_the_rooms_lie_in_floors_and_imports_run_down() -> None:
    sizes = Counter[str]()
    for path in _packages(ROOT):
        sizes[_room(_module(ROOT, path))] += _lines(path)
    for floor, rooms in reversed(list(enumerate(FLOORS, 1))):
        print(f"floor {floor:2}  " + ", ".join(f"{room} {sizes[room]}" for room in rooms))
    assert set(sizes) - _DIVIDED == set(FLOOR_OF)
    assert _upward(ROOT) == []
    assert {r: n for r, n in sizes.items() if n > MOST_SHARE * sizes.total()} == {}


def test_no_module_is_too_long() -> None:
    paths = [*_packages(ROOT), *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/*.py")]
    long = {str(path.relative_to(ROOT)): _lines(path) for path in paths}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("schemas/a.py", "from transforms.text import x"),
        ("transforms/corpus/a.py", "def f():\n    import pipelines.planning"),
        ("transforms/corpus/a.py", "from transforms.publishing import b"),
        ("transforms/filters/a.py", "from transforms.guard.evaluate import Guard"),
        ("pipelines/planning/a.py", "import infra"),
        ("pipelines/planning/a.py", "from tests.conftest import x"),
        ("schemas/a.py", "from . import b"),
        ("pipelines/launch.py", "import stillroom"),
    ],
    ids=["top", "in-a-function", "room", "same-floor", "infra", "tests", "relative", "door"],
)
def test_an_import_that_runs_up_is_found(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert _upward(tmp_path)


def test_nothing_imports_infra() -> None:
    importers = [
        str(path)
        for folder in (*PACKAGES, "tests", "examples", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if any(_top(module) == "infra" for module in _imports(ast.walk(_parse(path))))
    ]
    assert importers == []


def test_asking_knows_of_beam_in_one_file_alone() -> None:
    folder = ROOT / "transforms/asking"
    assert (folder / "ask_teachers.py").is_file()
    importers = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if any(_top(module) == "apache_beam" for module in _imports(ast.walk(_parse(path))))
    }
    assert importers == {"ask_teachers.py"}


@pytest.mark.parametrize(
    "start",
    [
        "stillroom/__main__.py",
        "stillroom/runs.py",
        "pipelines/cli.py",
        "pipelines/planning/plan.py",
        "pipelines/flex_template.py",
    ],
)
def test_commands_that_need_no_beam_do_not_import_it(start: str) -> None:
    assert _beam_reached_from(ROOT, start) == {}


def test_a_way_to_beam_is_found(tmp_path: Path) -> None:
    for file, text in {
        "pipelines/cli.py": "import pipelines.planning.plan\ndef run():\n  import apache_beam\n",
        "pipelines/planning/plan.py": "class A:\n    from transforms.text import b\n",
        "transforms/__init__.py": "import apache_beam.metrics\n",
        "transforms/text.py": "b = 1\n",
    }.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    way = ["pipelines/cli.py", "pipelines/planning/plan.py", "transforms/__init__.py"]
    assert _beam_reached_from(tmp_path, "pipelines/cli.py") == {"transforms/__init__.py": way}
