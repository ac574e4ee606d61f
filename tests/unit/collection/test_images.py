"""What goes into an image: ignore files, Dockerfiles, locks, git references; and how a build is told about."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils import (
    _image_build,
    _image_context,
    _image_dockerfile,
    _image_git,
    _image_requirements,
    _image_sbom,
    _registry,
)
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError
from ansible_collections.opsmap.cloud.plugins.module_utils._image_ignore import Ignore
from ansible_collections.opsmap.cloud.plugins.modules import container_image

from tests.unit.collection.test_plans import options


@pytest.mark.parametrize(
    ("rules", "name", "out"),
    [
        ("secret.txt", "secret.txt", True),
        ("secret.txt", "sub/secret.txt", False),
        ("**/secret.txt", "secret.txt", True),
        ("**/secret.txt", "a/b/secret.txt", True),
        ("/build/", "build/deep/file", True),
        ("./build", "build", True),
        ("build", "builder", False),
        ("*.md\n!README.md", "README.md", False),
        ("*.md\n!README.md", "OTHER.md", True),
        ("!README.md\n*.md", "README.md", True),
        ("*\n!app", "app/main.py", False),
        ("*\n!app\n**/__pycache__", "app/__pycache__/main.pyc", True),
        ("*\n!app", "other", True),
        ("a/*", "a/b/c", True),
        ("a/*/c", "a/b/c", True),
        ("a/*/c", "a/b/d/c", False),
        ("a/**/c", "a/c", True),
        ("a/**", "a/b/c", True),
        ("temp?", "temp1", True),
        ("temp?", "temp", False),
        ("[ab].txt", "a.txt", True),
        ("[^ab].txt", "a.txt", False),
        (r"\#name", "#name", True),
        ("# comment\n\n", "# comment", False),
        ("x.y", "xzy", False),
    ],
)
def test_ignore_rules(tmp_path: Path, rules: str, name: str, out: bool) -> None:
    (tmp_path / ".dockerignore").write_text(rules)
    assert Ignore(tmp_path).leaves_out(name) is out


def test_the_ignore_file_of_a_dockerfile_goes_first(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("a")
    (tmp_path / "own.Dockerfile.dockerignore").write_text("b")
    assert not Ignore(tmp_path, "own.Dockerfile").leaves_out("a")
    assert Ignore(tmp_path, "Dockerfile").leaves_out("a")


DOCKERFILE = r"""# syntax stays a comment
ARG BASE=debian:bookworm-slim
ARG VERSION=20
FROM --platform=linux/amd64 node:${VERSION} AS site
FROM $BASE AS Builder
RUN --mount=type=cache,target=/cache --mount=type=secret,id=ca,target=/run/ca.crt \
    # a comment between
    make all
COPY --from=site /site /site
FROM builder
COPY --from=registry.example.com/tool:1 /tool /tool
FROM scratch
"""


def test_images_that_a_dockerfile_starts_from() -> None:
    found = _image_dockerfile.stages(DOCKERFILE, {"BASE": "opsmap-base:1"})
    assert found.images == {"node:20", "opsmap-base:1", "registry.example.com/tool:1"}
    assert "debian:bookworm-slim" in _image_dockerfile.stages(DOCKERFILE, {}).images


def test_without_mounts_a_secret_is_there_for_one_step() -> None:
    text = _image_dockerfile.without_mounts(DOCKERFILE, {"ca"}, "secrets:1")
    at = text.index("COPY --from=secrets:1 /ca /run/ca.crt\nRUN make all\nRUN rm -f /run/ca.crt\n")
    assert at > text.index("FROM $BASE AS Builder")
    assert "--mount" not in text
    assert "secrets:1" not in _image_dockerfile.without_mounts(DOCKERFILE, set(), "secrets:1")


def test_without_mounts_the_last_stage_has_no_secret() -> None:
    text = "FROM a AS b\nFROM a\nRUN --mount=type=secret,id=ca cat /run/secrets/ca\n"
    with pytest.raises(CloudError, match="the secret ca is used in the last stage"):
        _image_dockerfile.without_mounts(text, {"ca"}, "secrets:1")
    with pytest.raises(CloudError, match="type=ssh needs BuildKit"):
        _image_dockerfile.without_mounts("FROM a\nRUN --mount=type=ssh true\n", set(), "secrets:1")


def inputs(**given: Any) -> str:
    """The hash for these options; a base image is what its name says."""
    params = options(container_image.SPEC, {"repository": "x", "push": False, **given})
    container_image.validate(params)
    return _image_context.read(params, lambda name: f"id of {name}").inputs


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "Dockerfile").write_text("ARG BASE=b\nFROM $BASE\n")
    (folder / "sub" / "main.py").write_text("print()\n")
    (folder / ".dockerignore").write_text("*.md\n")
    return folder


def test_everything_that_goes_in_changes_the_hash(source: Path, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "x").write_text("x")
    seen = {inputs(source=str(source))}

    def is_new(**given: Any) -> None:
        found = inputs(source=str(source), **given)
        assert found not in seen
        seen.add(found)

    is_new(base_image="other")
    is_new(build_args={"A": "1"})
    is_new(build_args={"A": "2"})
    is_new(contexts={"extra": str(extra)})
    is_new(contexts={"other": str(extra)})
    is_new(files={"x": str(extra / "x")})
    is_new(platforms=["linux/arm64"])
    (source / "sub" / "main.py").chmod(0o755)
    is_new()
    (source / "sub" / "main.py").write_text("print(1)\n")
    is_new()
    (source / "link").symlink_to("sub/main.py")
    is_new()
    (source / "Dockerfile").write_text("FROM other\n")
    is_new()
    (source / "poetry.lock").write_text("[]")
    (source / "pyproject.toml").write_text("")
    (source / ".dockerignore").write_text("*.md\npoetry.lock\npyproject.toml\n")
    is_new()
    (source / "poetry.lock").write_text("[ ]")
    is_new()


def test_what_does_not_go_in_does_not(source: Path) -> None:
    before = inputs(source=str(source))
    for name in ("README.md", ".env", ".env.production", "id_rsa", "sub/cached.pyc"):
        (source / name).write_text("changed")
    (source / ".git").mkdir()
    (source / ".git" / "HEAD").write_text("x")
    for path in source.rglob("*"):
        os.utime(path, (1, 1))
    assert inputs(source=str(source), labels={"a": "b"}, secret_values={"index": "hunter2hunter2"}) == before
    (source / ".env.example").write_text("A=")
    assert inputs(source=str(source)) != before


def test_a_base_image_that_moves_changes_the_hash(source: Path) -> None:
    params = options(container_image.SPEC, {"repository": "x", "source": str(source)})
    first, second = (_image_context.read(params, lambda name, id_=id_: id_).inputs for id_ in ("1", "2"))
    assert first != second


def test_secrets_in_the_context_are_refused(source: Path) -> None:
    (source / "key.txt").write_text("-----BEGIN RSA " + "PRIVATE KEY-----\n")
    with pytest.raises(CloudError, match=r"key\.txt is a private key"):
        inputs(source=str(source))
    (source / "key.txt").write_text("url = https://x:hunter2hunter2@example.com")
    with pytest.raises(CloudError, match=r"key\.txt holds one of secret_values") as caught:
        inputs(source=str(source), secret_values={"index": "hunter2hunter2"})
    assert "hunter2" not in str(caught.value)


def test_links_stay_links(source: Path, tmp_path: Path) -> None:
    (source / "out").symlink_to("/etc/hostname")
    params = options(container_image.SPEC, {"repository": "x", "source": str(source)})
    target = tmp_path / "target"
    target.mkdir()
    _image_context.lay_out(_image_context.read(params, str), target)
    _image_context.settle(target)
    assert os.readlink(target / "out") == "/etc/hostname"
    assert {path.lstat().st_mtime for path in target.rglob("*")} == {_image_context.EPOCH}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"pyproject.toml": "[tool.poetry]\n"}, "is a poetry project without poetry.lock"),
        ({"pyproject.toml": "[tool.uv]\n"}, "is a uv project without uv.lock"),
        ({"pyproject.toml": "tool = ["}, "is no TOML"),
        ({"poetry.lock": ""}, "has poetry.lock and no pyproject.toml"),
    ],
)
def test_projects_that_cannot_be_locked(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(CloudError, match=problem):
        _image_requirements.of(tmp_path)


def test_the_lock_goes_before_plain_requirements(tmp_path: Path) -> None:
    assert _image_requirements.of(tmp_path) is None
    (tmp_path / "requirements.txt").write_text("idna==3.10\n")
    found = _image_requirements.of(tmp_path)
    assert found is not None
    assert (found.tool, _image_requirements.exported(found, {})) == ("plain", "idna==3.10\n")
    (tmp_path / "poetry.lock").write_text("")
    (tmp_path / "pyproject.toml").write_text("")
    found = _image_requirements.of(tmp_path)
    assert found is not None
    assert found.tool == "poetry"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    git(source, "init", "--quiet")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "one")
    return source


def test_a_revision_is_what_was_committed(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "v1")
    plain = inputs(source=str(repository))
    for revision in ("main", "v1", first, first[:10]):
        assert inputs(source=f"git+file://{repository}#{revision}") == plain, revision
    (repository / "sub" / "main.py").write_text("changed\n")
    assert inputs(source=f"git+file://{repository}#main") == plain
    git(repository, "commit", "--all", "--quiet", "--message", "two")
    assert inputs(source=f"git+file://{repository}#main") == inputs(source=str(repository)) != plain
    assert inputs(source=f"git+file://{repository}#v1") == plain


def test_a_folder_of_a_revision(repository: Path) -> None:
    by_git = inputs(source=str(repository), contexts={"c": f"git+file://{repository}#main:sub"})
    assert by_git == inputs(source=str(repository), contexts={"c": str(repository / "sub")})


@pytest.mark.parametrize(
    ("behind", "problem"),
    [("#nothing", "no revision nothing"), ("#main:nothing", "has no folder nothing"), ("x#main", "fetch file://")],
)
def test_revisions_that_are_not_there(repository: Path, behind: str, problem: str) -> None:
    with pytest.raises(CloudError, match=problem):
        inputs(source=f"git+file://{repository}{behind}")


def test_where_a_folder_comes_from(repository: Path, tmp_path: Path) -> None:
    git(repository, "remote", "add", "origin", "https://me:hunter2@git.example.com/x")
    found = _image_git.origin(repository / "sub")
    assert (found.url, found.dirty) == ("https://git.example.com/x", False)
    assert found.revision == git(repository, "rev-parse", "HEAD")
    (repository / "new").write_text("x")
    assert not _image_git.origin(repository / "sub").dirty
    assert _image_git.origin(repository).dirty
    assert _image_git.origin(tmp_path) == _image_git.Origin()


def told(lines: list[str]) -> tuple[_image_build.Progress, list[str]]:
    reported: list[str] = []
    progress = _image_build.Progress(reported.append)
    for line in lines:
        progress.plain(line)
    return progress, reported


def test_a_failure_shows_the_end_of_the_step_that_failed() -> None:
    noise = [f"#6 1.{number} other {number}" for number in range(3000)]
    lines = ["#5 [builder 2/3] RUN make", "#6 [stage-1 2/2] RUN long", "#5 0.1 compiling"]
    lines += [f"#5 0.2 line {number}" for number in range(3000)] + noise
    lines += ["#5 9.1 no rule to make target", "#5 ERROR: process did not complete: exit code: 2", "#6 CANCELED"]
    progress, reported = told([*lines, "------", " > [builder 2/3] RUN make:"])
    shown = progress.end().splitlines()
    assert shown[0] == "[builder 2/3] RUN make"
    assert shown[-2:] == ["no rule to make target", "ERROR: process did not complete: exit code: 2"]
    assert len(shown) == 1 + _image_build.TAIL
    assert reported == ["[builder 2/3] RUN make", "[stage-1 2/2] RUN long"]


def test_a_failure_before_any_step_shows_what_there_is() -> None:
    progress, _ = told(["Cannot connect to the Docker daemon", ""])
    assert progress.end() == "Cannot connect to the Docker daemon"


@pytest.mark.parametrize(
    ("reference", "host", "name", "tag"),
    [
        ("debian:bookworm", "registry-1.docker.io", "library/debian", "bookworm"),
        ("me/app", "registry-1.docker.io", "me/app", "latest"),
        ("docker.io/me/app:1", "registry-1.docker.io", "me/app", "1"),
        ("localhost:5000/app", "localhost:5000", "app", "latest"),
        ("registry.fly.io/app@sha256:12", "registry.fly.io", "app", "sha256:12"),
        ("registry.fly.io/app:1@sha256:12", "registry.fly.io", "app", "sha256:12"),
    ],
)
def test_references(reference: str, host: str, name: str, tag: str) -> None:
    repository, found = _registry.parts(reference)
    assert (*_registry.split(repository), found) == (host, name, tag)


def test_bill_of_materials(tmp_path: Path) -> None:
    def tar(text: str) -> bytes:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo("status")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
        return packed.getvalue()

    requirements = f"idna==3.10 ; python_version > '3' \\\n    --hash=sha256:{'a' * 64}\nUvicorn[standard]==0.30\n# x\n"
    status = (
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u1\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    (tmp_path / "tool").write_text("x")
    found = _image_sbom.document(
        "app",
        "abc",
        _image_requirements.packages(requirements),
        tar(status),
        tar('ID=debian\nVERSION_ID="12"\n'),
        [("tool", tmp_path / "tool")],
        {"b": "sha256:1"},
    )
    assert [part.get("purl") or part["name"] for part in found["components"]] == [
        "pkg:pypi/idna@3.10",
        "pkg:pypi/uvicorn@0.30",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64",
        "tool",
    ]
    assert found["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert json.loads(json.dumps(found))["metadata"]["component"]["version"] == "inputs-abc"
