"""A package of another that hides one of ours is named in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stillroom.foreign import PACKAGES, foreign_package

COMMAND = [str(Path(sys.executable).with_name("stillroom")), "--version"]
MODULE = [sys.executable, "-m", "stillroom", "--version"]
IMPORT = [sys.executable, "-c", "from stillroom import Rule; print(Rule.__name__)"]


def ended(
    command: list[str], folder: Path, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(path)} if path else {},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(params=PACKAGES)
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A package of the same name as one of ours."""
    package = tmp_path / str(request.param)
    package.mkdir()
    (package / "__init__.py").touch()
    return package


@pytest.mark.parametrize("command", [COMMAND, MODULE], ids=["script", "module"])
def test_the_command_line_names_the_folder_on_the_path(foreign: Path, command: list[str]) -> None:
    done = ended(command, foreign.parent, Path())
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(f"stillroom: Python finds {foreign} ")
    assert f"rename it, or take {foreign.parent} off Python's path" in sentence


def test_the_module_names_the_folder_in_the_working_directory(foreign: Path) -> None:
    done = ended(MODULE, foreign.parent)
    assert done.returncode == 2
    assert str(foreign) in done.stderr
    # Of a script it is the script's own folder that comes first on the path.
    assert ended(COMMAND, foreign.parent).returncode == 0


def test_the_first_name_that_is_used_raises_the_sentence(foreign: Path) -> None:
    done = ended(IMPORT, foreign.parent)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: Python finds {foreign} ")
    assert ended([sys.executable, "-c", "import stillroom"], foreign.parent).returncode == 0


def test_a_module_of_the_name_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "transforms.py").touch()
    done = ended(MODULE, tmp_path)
    assert done.returncode == 2
    assert str(tmp_path / "transforms.py") in done.stderr


@pytest.mark.parametrize("command", [COMMAND, MODULE, IMPORT], ids=["script", "module", "import"])
@pytest.mark.parametrize("path", [Path(), None], ids=["path", "folder"])
def test_folders_without_an_init_hide_nothing(
    tmp_path: Path, command: list[str], path: Path | None
) -> None:
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.csv").touch()
    assert ended(command, tmp_path, path).returncode == 0


def test_a_users_own_tests_beside_such_a_folder_get_the_sentence(foreign: Path) -> None:
    (foreign.parent / "conftest.py").touch()  # pytest then puts the folder on the path
    (foreign.parent / "test_rule.py").write_text("from stillroom import Rule\n\ndef test(): pass\n")
    done = ended([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], foreign.parent)
    assert done.returncode != 0
    assert f"Python finds {foreign} " in done.stdout


def test_nothing_is_hidden_here() -> None:
    assert foreign_package() is None
