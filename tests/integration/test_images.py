"""Images built by the module: with and without BuildKit, out of git and locks, into the registry of a local cloud."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsmap.cloud.plugins.module_utils._errors import CloudError

from tests.edge_app import until
from tests.integration.images import BASE, FOLDER, Built, build, contents, inspect
from tests.support import ROOT, Instance, run

TEST = Instance("images")
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
BUILDERS = ("buildkit", "legacy")
MARK = "hunter2-" + "d41d8cd98f00"
PLANTED = {kind: f"{MARK}-{kind}" for kind in ("value", "ca", "ignored", "env", "lock", "label")}


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """Registry and repository of an app in a local cloud."""
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    TEST.playbook("playbooks/local_cloud.yml")
    TEST.call(1, "POST", "/v1/apps", "fly", {"name": "images", "org_slug": "personal"})
    yield f"localhost:{TEST.port + 4}/images"
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Caches of their own, and no image of a test stays."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    listed = run("docker", "images", "--quiet", "--filter", "label=test=images").stdout.split()
    if listed:
        run("docker", "rmi", "--force", *set(listed))


def made(folder: Path, dockerfile: str, **files: str) -> str:
    """A source with a Dockerfile and files; two underscores stand for a dot."""
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text("ARG BASE\n" + dockerfile)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


def local(source: str, **options: Any) -> Built:
    return build(repository="opsmap-test-images", push=False, source=source, labels={"test": "images"}, **options)


USES_SECRETS = """
FROM $BASE AS builder
COPY . /src
RUN --mount=type=secret,id=value,target=/run/value --mount=type=secret,id=ca,target=/run/ca.crt \\
    --mount=type=cache,target=/var/cache/x \\
    grep -q hunter2 /run/value && grep -q hunter2 /run/ca.crt && cat /run/value /run/ca.crt | wc -c > /size
FROM $BASE
COPY --from=builder /size /size
COPY . /code
"""


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_secret_is_in_no_layer_no_history_and_no_label(tmp_path: Path, builder: str) -> None:
    source = made(tmp_path / "source", USES_SECRETS, main__py="print()\n", __dockerignore="notes\n")
    (tmp_path / "source" / "notes").write_text(PLANTED["ignored"])
    (tmp_path / "source" / ".env").write_text(f"PASSWORD={PLANTED['env']}\n")
    bundle = tmp_path / "ca.crt"
    bundle.write_text(f"# {PLANTED['ca']}\n")
    options: dict[str, Any] = {"secret_values": {"value": PLANTED["value"]}, "build_secrets": {"ca": str(bundle)}}
    built = local(
        source, builder=builder, build_args={"BUILDER": builder}, registry_password=PLANTED["label"], **options
    )
    found = contents(built.name)
    assert [name for name, content in found.items() if MARK.encode() in content] == []
    assert any(name.endswith("code/main.py") for name in found)
    size = next(content for name, content in found.items() if name.endswith("/size"))
    assert int(size) == len(PLANTED["value"]) + len(PLANTED["ca"]) + 3
    described = json.dumps(inspect(built.name)) + run("docker", "history", "--no-trunc", built.name).stdout
    assert MARK not in described + json.dumps(built.result) + "\n".join(built.said)
    left = run("docker", "images", "--all", "--quiet", "--no-trunc").stdout.split()
    histories = [run("docker", "history", "--no-trunc", image, check=False).stdout for image in set(left)]
    assert not any("opsmap-secrets" in text for text in histories)


@pytest.mark.parametrize("builder", BUILDERS)
def test_an_image_that_holds_a_secret_is_removed(tmp_path: Path, builder: str) -> None:
    dockerfile = """
FROM $BASE AS builder
RUN --mount=type=secret,id=value,target=/run/value mkdir -p /out && gzip -c < /etc/hostname > /out/x && cat /run/value > /out/y
FROM $BASE
COPY --from=builder /out /out
"""
    with pytest.raises(CloudError, match="the secret value got into the image") as caught:
        local(made(tmp_path / "source", dockerfile), builder=builder, secret_values={"value": PLANTED["value"]})
    assert MARK not in str(caught.value)
    assert run("docker", "images", "--all", "--quiet", "--filter", "label=test=images").stdout == ""


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_failed_build_shows_the_end_of_the_step(tmp_path: Path, builder: str) -> None:
    dockerfile = "FROM $BASE\nRUN true\nRUN seq 3000 | sed 's/^/line /'; echo no rule to make target; exit 7\n"
    with pytest.raises(CloudError) as caught:
        local(made(tmp_path / "source", dockerfile), builder=builder)
    shown = caught.value.message.splitlines()
    assert "RUN seq 3000" in shown[0]
    assert any("no rule to make target" in line for line in shown)
    assert any("line 3000" in line for line in shown)
    assert "exit code: 7" in shown[-1] or "non-zero code: 7" in shown[-1]
    assert len(shown) <= 30


@pytest.mark.parametrize("builder", BUILDERS)
def test_progress_is_told_while_it_builds(tmp_path: Path, builder: str) -> None:
    dockerfile = f"FROM $BASE\nRUN sleep 2 # {time.time_ns()}\nRUN echo {builder}\n"
    heard: dict[str, float] = {}
    local(
        made(tmp_path / "source", dockerfile),
        builder=builder,
        report=lambda text: heard.update({text: time.monotonic()}),
    )
    begun = {text: at for text, at in heard.items() if not text.endswith("s")}
    sleeping = next(at for text, at in begun.items() if "RUN sleep 2" in text)
    after = next(at for text, at in begun.items() if f"RUN echo {builder}" in text)
    assert after - sleeping > 1.5


def test_the_same_inputs_are_the_same_image(tmp_path: Path) -> None:
    """Dates and modes of files, and the folder's place, make no difference."""
    dockerfile = "FROM $BASE\nRUN date > /built\nCOPY . /code\n"
    first = local(made(tmp_path / "one", dockerfile, a__py="1\n", b__py="2\n"))
    id_ = inspect(first.name)["Id"]
    run("docker", "rmi", first.name)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    (tmp_path / "two" / "a.py").touch()
    (tmp_path / "two" / "b.py").chmod(0o600)
    second = local(str(tmp_path / "two"))
    assert second.result["changed"]
    assert (second.name, inspect(second.name)["Id"]) == (first.name, id_)


def test_unchanged_is_not_built_and_not_pushed(tmp_path: Path, registry: str) -> None:
    source = made(tmp_path / "source", f"FROM $BASE\nRUN echo {time.time_ns()}\n", x__txt="x")
    options: dict[str, Any] = {"repository": registry, "source": source, "registry_password": TEST.token("fly")}
    options["labels"] = {"test": "images"}
    planned = build(check_mode=True, **options)
    assert planned.result["changed"]
    assert run("docker", "images", "--quiet", planned.name).stdout == ""
    first = build(**options)
    assert first.resource["reference"] == f"{registry}@{first.resource['digest']}"
    run("docker", "rmi", "--force", first.name)
    second = build(**options)
    assert (second.result["changed"], second.said, second.resource) == (False, [], first.resource)
    assert run("docker", "images", "--quiet", first.name).stdout == ""
    (tmp_path / "source" / "x.txt").write_text("y")
    assert build(**options).resource["digest"] != first.resource["digest"]


def manifest(registry: str, tag: str, kind: str) -> Any:
    host, _, name = registry.partition("/")
    login = b64encode(f"x:{TEST.token('fly')}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Accept": kind}
    request = urllib.request.Request(f"http://{host}/v2/{name}/{tag}", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def test_the_bill_of_materials_is_beside_the_image(tmp_path: Path, registry: str) -> None:
    requirements = f"idna==3.10 --hash=sha256:{'0' * 64}\n"
    source = made(tmp_path / "source", f"FROM $BASE\nRUN echo {time.time_ns()}\n", requirements__txt=requirements)
    options = {"repository": registry, "registry_password": TEST.token("fly"), "labels": {"test": "images"}}
    tool = tmp_path / "tool"
    tool.write_text("tool")
    built = build(source=source, files={"tool": str(tool)}, **options)
    assert built.resource["sbom"] == f"{registry}:{built.resource['tag']}.sbom"
    stored = manifest(registry, f"manifests/{built.resource['tag']}.sbom", "application/vnd.oci.image.manifest.v1+json")
    assert stored["artifactType"] == "application/vnd.cyclonedx+json"
    bill = manifest(registry, f"blobs/{stored['layers'][0]['digest']}", "*/*")
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    parts = {part["name"]: part for part in bill["components"]}
    assert parts["idna"]["purl"] == "pkg:pypi/idna@3.10"
    installed = run("docker", "run", "--rm", built.name, "dpkg-query", "-W", "-f", "${Version}", "libc6").stdout
    assert parts["libc6"]["version"] == installed
    assert parts["tool"]["type"] == "file"


@pytest.mark.parametrize("builder", BUILDERS)
def test_several_platforms_are_one_image(
    tmp_path: Path, registry: str, builder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each machine takes its own out of the index, which is what is deployed."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))  # where docker login keeps the password
    source = made(tmp_path / "source", "FROM scratch\nCOPY . /code\n", x__txt=f"{builder} {time.time_ns()}")
    platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    options: dict[str, Any] = {"repository": registry, "source": source, "registry_password": TEST.token("fly")}
    options |= {"labels": {"test": "images"}, "platforms": platforms, "builder": builder}
    built = build(**options)
    index = manifest(registry, f"manifests/{built.resource['tag']}", "application/vnd.oci.image.index.v1+json, " + LIST)
    found = ["/".join(entry["platform"].values()) for entry in index["manifests"]]
    assert found == platforms
    assert built.resource["reference"] == f"{registry}@{built.resource['digest']}"
    run("docker", "rmi", "--force", *run("docker", "images", "--quiet", "--filter", "label=test=images").stdout.split())
    again = build(**options)
    assert (again.result["changed"], again.resource) == (False, built.resource)
    run("docker", "login", "--username", "x", "--password", TEST.token("fly"), registry.partition("/")[0])
    for platform in ("linux/amd64", "linux/arm64"):
        run("docker", "pull", "--platform", platform, built.resource["reference"])
        described = inspect(built.resource["reference"])
        assert f"{described['Os']}/{described['Architecture']}" == platform
        run("docker", "rmi", "--force", described["Id"])


def test_an_image_for_another_platform_than_the_wanted_is_refused(tmp_path: Path) -> None:
    source = made(tmp_path / "source", "FROM --platform=linux/amd64 $BASE\nCOPY . /code\n", x__txt=str(time.time_ns()))
    run("docker", "tag", BASE, "localhost:9/base:1")  # nobody is asked for it over the network
    try:
        with pytest.raises(CloudError, match=r"is for linux/amd64 and not for linux/arm64"):
            local(source, builder="legacy", platforms=["linux/arm64"], base_image="localhost:9/base:1")
    finally:
        run("docker", "rmi", "localhost:9/base:1")
    assert run("docker", "images", "--all", "--quiet", "--filter", "label=test=images").stdout == ""


def test_an_image_that_exists_is_taken_as_it_is(tmp_path: Path, registry: str) -> None:
    source = made(tmp_path / "source", f"FROM $BASE\nRUN echo {time.time_ns()}\n")
    login = {"registry_password": TEST.token("fly")}
    built = build(repository=registry, source=source, labels={"test": "images"}, **login)
    for name in (built.name, built.resource["reference"]):
        found = build(image=name, repository=registry, **login)
        assert not found.result["changed"]
        assert found.resource["reference"] == built.resource["reference"]
    with pytest.raises(CloudError, match=r"the registry has no .*nothing"):
        build(image=f"{registry}:nothing", repository=registry, **login)
    with pytest.raises(CloudError, match="refuses the credentials"):
        build(image=built.name, repository="registry.example.com/images")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_revision_of_a_repository_and_another_as_context(tmp_path: Path) -> None:
    source = made(tmp_path / "source", "FROM $BASE\nCOPY . /code\n", main__py="committed\n")
    git(tmp_path / "source", "init", "--quiet")
    git(tmp_path / "source", "add", ".")
    git(tmp_path / "source", "commit", "--quiet", "-m", "one")
    commit = git(tmp_path / "source", "rev-parse", "HEAD")
    (tmp_path / "source" / "main.py").write_text("not committed\n")
    reference = f"git+file://{source}#main"
    built = local(reference, contexts={"again": reference})
    labels = inspect(built.name)["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == commit
    assert labels["dev.opsmap.dirty"] == "false"
    assert labels["dev.opsmap.inputs"] == built.resource["inputs"]
    assert "org.opencontainers.image.source" not in labels  # a path of this machine is nobody's business
    found = {name.partition("code/")[2]: text for name, text in contents(built.name).items() if "code/" in name}
    assert found["main.py"] == found["again/main.py"] == b"committed\n"
    by_path = local(source)
    assert inspect(by_path.name)["Config"]["Labels"]["dev.opsmap.dirty"] == "true"


COPIES_REQUIREMENTS = "FROM $BASE\nCOPY requirements.txt /requirements.txt\n"


def requirements(built: Built) -> str:
    return run("docker", "run", "--rm", built.name, "cat", "/requirements.txt").stdout


def test_poetry_exports_with_hashes_and_insists_on_its_lock(tmp_path: Path) -> None:
    source = tmp_path / "engine"
    shutil.copytree(ROOT / "examples" / "supercog" / "engine", source)
    made(source, COPIES_REQUIREMENTS)
    text = requirements(local(str(source)))
    assert "uvicorn==" in text
    assert "--hash=sha256:" in text
    assert not any(word in text for word in ("index-url", "file:", "supercog-shared"))
    project = source / "pyproject.toml"
    project.write_text(project.read_text().replace('"httpx (>=0.28)",', '"httpx (>=0.28)",\n  "idna",'))
    for check_mode in (True, False):
        with pytest.raises(CloudError, match=r"(?s)poetry check in .*lock.* -> run poetry lock in that folder"):
            local(str(source), check_mode=check_mode)


UV_PROJECT = """
[project]
name = "app"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["idna>=3", "shared"]

[tool.uv.sources]
shared = { path = "../shared", editable = true }
"""


def test_uv_exports_with_hashes_and_insists_on_its_lock(tmp_path: Path) -> None:
    source = made(tmp_path / "app", COPIES_REQUIREMENTS, pyproject__toml=UV_PROJECT)
    made(tmp_path / "shared", "", pyproject__toml='[project]\nname = "shared"\nversion = "1"\ndependencies = []\n')
    run(str(FOLDER / "uv"), "lock", "--quiet", folder=Path(source), UV_SYSTEM_CERTS="1")
    text = requirements(local(source))
    assert text.startswith("idna==")
    assert "--hash=sha256:" in text
    assert "shared" not in text
    project = tmp_path / "app" / "pyproject.toml"
    project.write_text(UV_PROJECT.replace('"idna>=3"', '"idna>=3", "six"'))
    with pytest.raises(CloudError, match=r"(?s)uv export in .*lock.* -> run uv lock in that folder"):
        local(source)


def test_a_base_image_that_nobody_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(CloudError, match=r"base_image: .*localhost:9/nothing"):
        local(made(tmp_path / "source", "FROM $BASE\n"), base_image="localhost:9/nothing:1")


REGISTRY = """
version: 0.1
storage: {filesystem: {rootdirectory: /tmp/registry}}
http: {addr: ":5000"}
"""


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5):
            return True
    except OSError:  # it is starting
        return False


@pytest.fixture
def open_registry(registry: str, tmp_path: Path) -> Iterator[str]:
    """Another registry, which asks nobody who he is."""
    cloud = next(name for name in TEST.containers() if name.endswith("-cloud"))
    image = run("docker", "inspect", "--format", "{{.Config.Image}}", cloud).stdout.strip()
    options = ["--detach", "--publish", "127.0.0.1::5000", "--label", f"dev.opsmap.instance={TEST.name}"]
    (tmp_path / "registry.yml").write_text(REGISTRY)
    options += ["--volume", f"{tmp_path}/registry.yml:/registry.yml:ro"]
    name = run("docker", "run", *options, image, "docker-registry", "serve", "/registry.yml").stdout.strip()
    try:
        port = int(run("docker", "port", name, "5000").stdout.split()[0].rpartition(":")[2])
        until(lambda: answers(port))
        yield f"localhost:{port}"
    finally:
        run("docker", "rm", "--force", name)


def test_a_base_image_is_the_same_wherever_it_is_found(tmp_path: Path, open_registry: str) -> None:
    """In the engine, or in its registry: also a machine without an engine finds what is built already."""
    base = f"{open_registry}/base:1"
    run("docker", "tag", BASE, base)
    try:
        run("docker", "push", base)
        options: dict[str, Any] = {"base_image": base, "labels": {"test": "images"}}
        options |= {"repository": f"{open_registry}/app", "source": made(tmp_path / "source", "FROM $BASE\n")}
        built = build(**options)
    finally:
        run("docker", "rmi", "--force", base)
    assert build(**options, docker_socket="/nowhere/docker.sock").resource == built.resource
    assert not build(**options).result["changed"]
