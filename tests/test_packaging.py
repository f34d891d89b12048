"""What is installed, locked and tracked: the right packages, whole, and nothing of this machine."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["schemas", "transforms", "pipelines", "stillroom"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

# `name==1.2 ; marker \`, then a hash a line: no address, no index, no option.
LOCK_LINE = re.compile(
    r"[a-z0-9][a-z0-9._-]*==[\w.!+-]+( ; [^:]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?"
)
HOMES = re.compile(r"(?<![\w.>}\]-])/(?:home|Users|root|work|tmp)/\w")


def _listed(*arguments: str) -> list[str]:
    """Returns names that git knows."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", *arguments],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name]


def _sources() -> list[str]:
    """Returns the files of the project, those not yet added included."""
    names = _listed("--cached", "--others", "--exclude-standard")
    return [name for name in names if (ROOT / name).is_file()]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_import_names_belong_to_this_distribution_alone(package: str) -> None:
    # An editable install names no packages, so it may be absent; another owner may not be there.
    assert set(packages_distributions().get(package, ["stillroom"])) == {"stillroom"}
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin == str(ROOT / package / "__init__.py")


def test_the_wheel_is_made_of_exactly_these_packages() -> None:
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": PACKAGES}


def test_no_file_of_a_package_is_hidden_from_the_wheel_by_gitignore() -> None:
    ignored = _listed("--others", "--ignored", "--exclude-standard", "--", *PACKAGES)
    assert [name for name in ignored if "__pycache__" not in name] == []


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    # The build's own needs are in uv's cache, since the editable install took them; if not, the
    # network would be asked, which a test does not do.
    uv = Path(sys.executable).with_name("uv")
    command: list[str | Path] = [uv, "build", "--quiet", "--offline", "--wheel", "--out-dir"]
    built = subprocess.run([*command, tmp_path, ROOT], capture_output=True, text=True, check=False)
    if "network was disabled" in built.stderr:
        pytest.skip("hatchling is not in uv's cache")
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {name for name in _sources() if name.split("/")[0] in PACKAGES}
    assert {Path(name).suffix for name in packed} >= {".py", ".json", ".yaml", ".j2"}
    assert "stillroom/py.typed" in packed


def test_lock_files_hold_names_versions_and_hashes_alone() -> None:
    locks = [ROOT / name for name in _sources() if name.endswith(".lock")]
    assert len(locks) >= 3
    for lock in locks:
        odd = [
            line for line in lock.read_text("utf-8").splitlines() if not LOCK_LINE.fullmatch(line)
        ]
        assert odd == [], lock.name


def test_every_locked_package_has_a_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-worker.lock"):
        text = (ROOT / name).read_text("utf-8")
        assert "==" in text
        assert re.findall(r"==.*\\\n(?!    --hash=)", text) == []


def test_the_lock_files_agree_on_versions() -> None:
    versions: dict[str, set[str]] = {}
    for name in ("requirements.lock", "requirements-worker.lock"):
        for package, version in re.findall(
            r"^(\S+)==(\S+)", (ROOT / name).read_text("utf-8"), re.M
        ):
            versions.setdefault(package, set()).add(version)
    assert {name: each for name, each in versions.items() if len(each) > 1} == {}


def _names_a_machine(text: str) -> bool:
    return f"{ROOT}/" in text or HOMES.search(text) is not None


def test_no_file_names_a_path_of_a_machine() -> None:
    texts = {name: (ROOT / name).read_text("utf-8", errors="replace") for name in _sources()}
    assert [name for name, text in texts.items() if _names_a_machine(text)] == []
    assert _names_a_machine("written to " + "/".join(["", "home", "me", "corpus"]))
