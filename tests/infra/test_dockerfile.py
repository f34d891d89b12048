"""The image is built from files that exist, at the versions that the lock files name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "infra/Dockerfile").read_text("utf-8")
INSTRUCTIONS = [
    line
    for line in TEXT.replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]
ARGUMENTS = dict(re.findall(r"^ARG (\w+)=(\S+)$", TEXT, re.M))


def _copied() -> list[str]:
    """Returns what is copied from the repository, not from another stage."""
    copies = [line.split()[1:] for line in INSTRUCTIONS if line.startswith("COPY")]
    return [source for words in copies if not words[0].startswith("--") for source in words[:-1]]


def _locked(lock: str, package: str) -> str:
    (version,) = re.findall(rf"^{package}==(\S+)", (ROOT / lock).read_text("utf-8"), re.M)
    return str(version)


def _lint(path: Path) -> subprocess.CompletedProcess[str]:
    hadolint = Path(sys.executable).with_name("hadolint")
    return subprocess.run([hadolint, path], capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing() -> None:
    linted = _lint(ROOT / "infra/Dockerfile")
    assert (linted.returncode, linted.stdout) == (0, "")


def test_hadolint_would_find_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text("FROM python:latest\n")
    assert _lint(path).returncode == 1


def test_beam_is_the_one_that_the_lock_names() -> None:
    assert ARGUMENTS["BEAM_VERSION"] == _locked("requirements-worker.lock", "apache-beam")


def test_python_is_the_one_that_the_locks_were_resolved_for() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.findall(r"--python-version (\S+)", makefile) == [ARGUMENTS["PYTHON_VERSION"]]
    bases = [line for line in INSTRUCTIONS if line.startswith("FROM python:")]
    assert bases
    assert all(line.startswith("FROM python:${PYTHON_VERSION}-") for line in bases)


def test_uv_is_the_one_that_the_makefile_installs() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (version,) = re.findall(r"^UV_VERSION := (\S+)$", makefile, re.M)
    assert _locked("infra/requirements-build.lock", "uv") == version


def test_every_base_image_has_a_tag() -> None:
    images = [line.split()[1] for line in INSTRUCTIONS if line.startswith("FROM")]
    assert len(images) == 4
    assert all(re.fullmatch(r"[^:]+:[^:]+", image) for image in images)
    assert "latest" not in TEXT


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    assert len(_copied()) >= 8
    for source in _copied():
        assert (ROOT / source).exists()
        assert source in allowed or source.split("/")[0] in allowed
    assert all((ROOT / name).exists() for name in allowed)


@pytest.mark.parametrize("tool", ["pip install", "uv pip install"])
def test_nothing_is_installed_without_hashes_but_our_own_wheel(tool: str) -> None:
    installs = [line for line in INSTRUCTIONS if re.search(rf"(?:^|\s){tool}", line)]
    assert installs
    for line in installs:
        assert "--require-hashes" in line or line.endswith("/wheel/*.whl")


def test_the_launchers_file_is_in_the_image() -> None:
    assert "COPY pipelines/flex_template.py /template/flex.py" in INSTRUCTIONS
    assert "ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/template/flex.py" in INSTRUCTIONS


def test_the_image_starts_beams_boot() -> None:
    assert INSTRUCTIONS[-1] == 'ENTRYPOINT ["/opt/apache/beam/boot"]'
