"""make down removes all of an instance and nothing else."""

from __future__ import annotations

from tests.support import Instance, run

TEST = Instance("test")


def test_down_leaves_nothing() -> None:
    TEST.playbook("playbooks/local_cloud.yml")
    bystander = run("docker", "volume", "create", "opsmap-bystander-of-the-tests").stdout.strip()
    TEST.playbook("playbooks/down.yml", "-e", "confirm=yes")
    label = f"label=dev.opsmap.instance={TEST.name}"
    assert TEST.containers() == []
    for kind in ("volume", "network"):
        assert run("docker", kind, "ls", "--quiet", "--filter", label).stdout == ""
    assert run("docker", "images", "--quiet", "--filter", f"reference=opsmap-{TEST.name}-*").stdout == ""
    assert run("docker", "images", "--quiet", "--filter", f"reference=localhost:{TEST.port + 4}/*").stdout == ""
    run("docker", "volume", "rm", bystander)
    assert not TEST.folder.exists()
