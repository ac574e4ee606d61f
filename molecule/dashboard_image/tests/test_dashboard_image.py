from __future__ import annotations

from typing import Any

from tests.inside import check_finished

SLEEP = ("sleep", "60")


def test_the_image_is_finished_and_has_no_secrets(deployed: Any) -> None:
    image = deployed.image("supercog-dashboard-local")
    with deployed.started(image["Id"], "", *SLEEP) as host:
        check_finished(image, host)


def test_it_runs_as_a_user_who_can_write_nothing(deployed: Any) -> None:
    image = deployed.image("supercog-dashboard-local")
    assert image["Config"]["User"] == "app"
    with deployed.started(image["Id"], "", *SLEEP) as host:
        assert host.run("id -u").stdout.strip() == "1000"
        written = host.run("find / -xdev -writable -type f ! -path '/proc/*' ! -path '/home/app/*' -print -quit")
        assert written.stdout == ""


def test_caddy_and_the_front_end_are_in_it(deployed: Any) -> None:
    image = deployed.image("supercog-dashboard-local")
    with deployed.started(image["Id"], "", *SLEEP) as host:
        assert host.run("caddy version").rc == 0
        assert "<html" in host.file("/srv/site/index.html").content_string
        assert host.file("/srv/site/assets/app.js.gz").exists
        assert not host.exists("build_site.py")


def test_port_is_the_dashboards(deployed: Any) -> None:
    config = deployed.image("supercog-dashboard-local")["Config"]
    assert "PORT=3000" in config["Env"]
    assert set(config["ExposedPorts"]) == {"3000/tcp"}  # the others are the deployer's, whose Caddyfile opens them
