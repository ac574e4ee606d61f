"""Apps, addresses, certificates, secrets and volumes of the emulated Fly, by plain HTTP (reference fly 2.1, 2.8-2.12)."""

from __future__ import annotations

import datetime
import ssl
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.edge_app import App, Edge, until
from tests.support import run

NewApp = Callable[..., App]
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


# Apps


@pytest.mark.parametrize("name", ["Upper", "under_score", "dot.ted", "-dash", "", "x" * 64, 7, None])
def test_app_names(edge: Edge, name: Any) -> None:
    assert "lowercase" in edge.error("POST", "/apps", {"name": name, "org_slug": "personal"})


def test_apps(edge: Edge, new_app: NewApp) -> None:
    app = new_app()
    shown = edge.call("GET", app.path)
    assert (shown["status"], shown["network"], shown["organization"]["slug"]) == ("pending", "default", "personal")
    taken = edge.call("POST", "/apps", {"app_name": app.name, "org_slug": "acme"}, 422)
    assert taken["status"] == "name_taken"
    assert "already been taken" in taken["error"]
    assert edge.call("POST", "/apps", {"name": "taken", "org_slug": "acme"}, 422)["status"] == "name_taken"
    for path in ("/apps/taken", "/apps/taken/machines", "/apps/taken/secrets", "/apps/taken/volumes"):
        edge.call("GET", path, expect=403)
    edge.call("GET", "/apps/free", expect=404)
    assert "org_slug" in edge.error("POST", "/apps", {"name": "free"})
    edge.call("POST", "/apps", {"name": "free", "org_slug": "nobody"}, 404)
    edge.call("POST", "/apps", {"name": "free", "org_slug": "acme", "network": "1st"}, 422)
    assert app.name in {found["name"] for found in edge.call("GET", "/apps", org_slug="personal")["apps"]}
    assert app.name not in {found["name"] for found in edge.call("GET", "/apps", org_slug="acme")["apps"]}
    edge.call("GET", "/apps", expect=400)
    edge.call("GET", "/apps", expect=404, org_slug="nobody")


def test_an_idempotency_key_makes_one_app(edge: Edge) -> None:
    body = {"name": "keyed", "org_slug": "acme", "network": "own", "idempotency_key": "k1"}
    first = edge.call("POST", "/apps", body, 201)
    assert edge.call("POST", "/apps", body, 201) == first
    assert abs(first["created_at"] / 1000 - time.time()) < 600
    edge.call("POST", "/apps", {**body, "name": "keyed-2"}, 422)
    assert edge.call("GET", "/apps/keyed")["network"] == "own"
    edge.call("DELETE", "/apps/keyed", expect=202)
    until(lambda: edge.api.get("/apps/keyed").status_code == 404)


def test_an_app_goes_with_all_it_has(edge: Edge, new_app: NewApp) -> None:
    app = new_app("v6")
    machine = app.create()
    assert edge.call("GET", app.path)["status"] == "deployed"
    edge.call("POST", f"{app.path}/secrets", {"values": {"A": "b"}})
    assert machine in edge.error("DELETE", app.path, expect=412)
    app.act(machine, "stop")
    app.wait(machine, "stopped")
    assert edge.call("GET", app.path)["status"] == "suspended"
    assert edge.api.delete(app.path).text == ""
    assert edge.call("POST", "/apps", {"name": app.name, "org_slug": "acme"}, 422)["status"] == "name_taken"
    until(lambda: edge.api.get(app.path).status_code == 404)
    edge.call("POST", "/apps", {"name": app.name, "org_slug": "personal"}, 201)
    assert edge.call("GET", f"{app.path}/secrets")["secrets"] == []
    assert edge.call("GET", f"{app.path}/ip_assignments")["ips"] == []


# Addresses


def test_addresses(edge: Edge, new_app: NewApp) -> None:
    app = new_app()
    path = f"{app.path}/ip_assignments"

    def assign(kind: str, **more: Any) -> dict[str, Any]:
        return dict(edge.call("POST", path, {"type": kind, **more}))

    made = {kind: assign(kind) for kind in ("v4", "v6", "shared_v4", "private_v6", "egress_v4", "egress_v6")}
    pair = assign("egress_pair", region="ewr")["ip_pair"]
    assert ("." in pair["v4"], ":" in pair["v6"]) == (True, True)
    assert assign("v4")["ip"] != made["v4"]["ip"]
    assert "already" in edge.error("POST", path, {"type": "shared_v4"}, 422)
    assert "unknown ip type" in edge.error("POST", path, {"type": "v5"}, 400)
    assert "region" in edge.error("POST", path, {"type": "v4", "region": "moo"}, 400)
    found = {item["ip"]: item for item in edge.call("GET", path)["ips"]}
    assert len(found) == 9
    fields = {"ip", "region", "service_name", "shared", "egress", "network", "created_at"}
    assert all(set(item) == fields for item in found.values())
    assert found[made["private_v6"]["ip"]]["network"] == {"name": "default", "org_slug": "personal"}
    assert made["private_v6"]["ip"].startswith("fdaa:")
    assert {ip for ip, item in found.items() if item["egress"]} == {
        made["egress_v4"]["ip"],
        made["egress_v6"]["ip"],
        *pair.values(),
    }
    assert [item["shared"] for ip, item in found.items() if ip == made["shared_v4"]["ip"]] == [True]
    assert found[made["v6"]["ip"]]["region"] == "global"
    other = assign("private_v6", network="other", org_slug="acme")
    assert other["network"] == {"name": "other", "org_slug": "acme"}
    address = urllib.parse.quote(made["v6"]["ip"], safe="")
    edge.call("DELETE", f"{path}/{address}", expect=204)
    edge.call("DELETE", f"{path}/{address}", expect=404)


# Secrets


def test_secrets(edge: Edge, new_app: NewApp) -> None:
    app = new_app()
    path = f"{app.path}/secrets"
    first = edge.call("POST", path, {"values": {"A": "one", "B": "two"}})
    assert first["version"] == first["Version"]
    assert [item["name"] for item in first["secrets"]] == ["A", "B"]
    listed = edge.call("GET", path)
    assert set(listed) == {"secrets"}
    a = listed["secrets"][0]
    assert (len(a["digest"]), int(a["digest"], 16) >= 0, set(a)) == (
        16,
        True,
        {"name", "digest", "created_at", "updated_at"},
    )
    again = edge.call("POST", path, {"values": {"A": "one", "C": "three", "B": None, "NONE": None}})
    assert again["version"] > first["version"]
    after = {item["name"]: item for item in edge.call("GET", path)["secrets"]}
    assert set(after) == {"A", "C"}
    assert after["A"] == a
    changed = edge.call("POST", f"{path}/A", {"value": "other"}, 201)
    assert changed["digest"] != a["digest"]
    assert (changed["created_at"], changed["updated_at"] > a["updated_at"]) == (a["created_at"], True)
    assert edge.call("GET", f"{path}/A")["digest"] == changed["digest"]
    for spelling in ("min_version", "version"):
        assert edge.call("GET", path, **{spelling: changed["version"]})["secrets"]
        edge.call("GET", path, expect=400, **{spelling: changed["version"] + 1})
    text = edge.api.get(path, params={"show_secrets": "true"}).text
    assert "other" not in text
    assert "value" not in text
    assert edge.call("DELETE", f"{path}/A")["version"] > changed["version"]
    edge.call("DELETE", f"{path}/A", expect=404)
    for name in ("WITH-DASH", "1ST", "A B", "Ä"):
        assert "name" in edge.error("POST", path, {"values": {name: "x"}})
        edge.call("POST", f"{path}/{urllib.parse.quote(name)}", {"value": "x"}, 400)
    assert "strings" in edge.error("POST", path, {"values": {"A": 1}})
    assert [item["name"] for item in edge.call("GET", path)["secrets"]] == ["C"]


# Volumes


def volume(app: App, wait: bool = True, **body: Any) -> dict[str, Any]:
    made = app.edge.call("POST", f"{app.path}/volumes", {"name": "data", "region": "ewr", "size_gb": 1, **body})
    path = f"{app.path}/volumes/{made['id']}"
    if wait:
        until(lambda: app.edge.call("GET", path)["state"] == "created")
    return dict(made)


def mounted(app: App, found: dict[str, Any], **more: Any) -> str:
    mounts = [{"volume": found["id"], "path": "/data"}]
    return app.create({"image": app.image, "mounts": mounts}, region=found["region"], **more)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"name": "with-dash"}, "underscores"),
        ({"name": ""}, "underscores"),
        ({"name": "x" * 31}, "30 at most"),
        ({"region": "moo"}, "moo"),
        ({"size_gb": 501}, "between 1 and 500"),
        ({"size_gb": "1"}, "between 1 and 500"),
        ({"snapshot_retention": 61}, "between 1 and 60"),
        ({"encrypted": "yes"}, "true or false"),
        ({"fstype": "xfs"}, "fstype"),
        ({"snapshot_id": "vs_none"}, "vs_none"),
        ({"source_volume_id": "vol_none"}, "vol_none"),
        ({"snapshot_id": "a", "source_volume_id": "b"}, "exclude"),
    ],
)
def test_what_volumes_refuse(app: App, body: dict[str, Any], says: str) -> None:
    assert says in app.edge.error("POST", f"{app.path}/volumes", {"name": "data", "region": "ewr", **body})


def test_life_of_a_volume(app: App) -> None:
    edge = app.edge
    edge.control("PUT", "/settings", {"volume_seconds": 1, "detach_seconds": 1})
    made = volume(app, wait=False)
    path = f"{app.path}/volumes/{made['id']}"
    assert (made["state"], made["fstype"], made["attached_machine_id"]) == ("creating", "", None)
    until(lambda: edge.call("GET", path)["state"] == "created")
    shown = edge.call("GET", path)
    assert (shown["fstype"], shown["type"], shown["encrypted"], shown["snapshot_retention"]) == (
        "ext4",
        "local",
        True,
        5,
    )
    assert shown["bytes_total"] == shown["blocks"] * shown["block_size"] == 2**30
    assert not {"app", "snapshots", "deleted_at", "full"} & set(shown)
    assert edge.call("POST", f"{app.path}/volumes", {"name": "big"})["size_gb"] == 3
    machine = mounted(app, made)
    assert edge.call("GET", path)["attached_machine_id"] == machine
    assert "bound to a machine" in edge.error("DELETE", path)
    grown = edge.call("PUT", f"{path}/extend", {"size_gb": 2})
    assert (grown["needs_restart"], grown["volume"]["size_gb"], grown["volume"]["state"]) == (True, 2, "extending")
    until(lambda: edge.call("GET", path)["state"] == "created")
    for size in (1, "3", 501, None):
        assert "between 2 and 500" in edge.error("PUT", f"{path}/extend", {"size_gb": size})
    updated = edge.call("PUT", path, {"snapshot_retention": 7, "auto_backup_enabled": False})
    assert (updated["snapshot_retention"], updated["auto_backup_enabled"]) == (7, False)
    for body in ({"size_gb": 5}, {"name": "other"}, {"region": "lhr"}, {"snapshot_retention": 0}):
        edge.call("PUT", path, body, 400)
    app.destroy(machine)
    assert edge.call("GET", path)["attached_machine_id"] == machine  # it lingers
    until(lambda: edge.call("GET", path)["attached_machine_id"] is None)
    assert edge.call("DELETE", path)["state"] == "pending_destroy"
    assert made["id"] in {v["id"] for v in edge.call("GET", f"{app.path}/volumes") if v["state"] == "pending_destroy"}
    edge.call("DELETE", path, expect=404)
    edge.call("PUT", f"{path}/extend", {"size_gb": 9}, 404)


def test_needs_no_restart_when_nothing_runs(app: App) -> None:
    found = volume(app)
    answer = app.edge.call("PUT", f"{app.path}/volumes/{found['id']}/extend", {"size_gb": 4})
    assert answer["needs_restart"] is False


def test_zones(app: App) -> None:
    made = [volume(app, require_unique_zone=True, wait=False) for _ in range(6)]
    assert len({item["zone"] for item in made}) == 6
    refused = app.edge.call(
        "POST", f"{app.path}/volumes", {"name": "data", "region": "ewr", "require_unique_zone": True}, 412
    )
    assert refused["status"] == "volume_placement_capacity"
    assert volume(app, wait=False)["zone"]
    assert volume(app, name="other", require_unique_zone=True, wait=False)["zone"]
    wide = {"name": "third", "region": "ewr", "require_unique_zone": True, "unique_zone_app_wide": True}
    app.edge.call("POST", f"{app.path}/volumes", wide, 412)
    assert volume(app, region="lhr", require_unique_zone=True, wait=False)["zone"].startswith("lhr")


def test_machines_and_volumes(app: App) -> None:
    found = volume(app, region="lhr")
    config = {"image": app.image, "mounts": [{"volume": found["id"], "path": "/data"}]}
    assert "lhr" in app.edge.error("POST", f"{app.path}/machines", {"config": config, "region": "ewr"}, 400)
    mounted(app, found)
    app.edge.call("POST", f"{app.path}/machines", {"config": config, "region": "lhr"}, 412)
    app.edge.control("POST", "/fly/full", {"region": "lhr", "full": True})
    without, hinted = volume(app, region="lhr"), volume(app, region="lhr", compute={"cpus": 1, "memory_mb": 256})
    config["mounts"][0]["volume"] = without["id"]
    refused = app.edge.call("POST", f"{app.path}/machines", {"config": config, "region": "lhr"}, 412)
    assert "insufficient resources to create new machine with existing volume" in refused["error"]
    mounted(app, hinted)
    app.edge.control("POST", "/fly/full", {"region": "lhr", "full": False})


def test_snapshots_restore_and_fork(app: App) -> None:
    edge, found = app.edge, volume(app, size_gb=2)
    machine = mounted(app, found)
    app.execute(machine, "sh", "-c", "mkdir /data/deep && echo first > /data/deep/file && chown 33:33 /data/deep/file")
    path = f"{app.path}/volumes/{found['id']}/snapshots"
    backup = edge.call("POST", path)["Msg"]["backup"]
    until(lambda: edge.call("GET", path)[0]["status"] == "created")
    app.execute(machine, "sh", "-c", "echo second > /data/deep/file")
    shown = edge.call("GET", path)[0]
    assert (shown["id"], shown["volume_size"], shown["retention_days"]) == (backup["id"], 2 * 2**30, 5)
    assert "2 or more" in edge.error(
        "POST", f"{app.path}/volumes", {"name": "data", "size_gb": 1, "snapshot_id": backup["id"]}
    )
    restored = volume(app, size_gb=3, snapshot_id=backup["id"])
    assert restored["state"] == "restoring"
    forked = volume(app, size_gb=None, source_volume_id=found["id"])
    assert forked["size_gb"] == 2
    for item, text in ((restored, "first 33"), (forked, "second 33")):
        other = mounted(app, item)
        assert (
            app.execute(other, "sh", "-c", "echo $(cat /data/deep/file) $(stat -c %u /data/deep/file)").strip() == text
        )
    app.destroy(machine)
    until(lambda: edge.api.delete(f"{app.path}/volumes/{found['id']}").status_code == 200)
    assert edge.call("GET", path)[0]["id"] == backup["id"]
    late = mounted(app, volume(app, size_gb=2, snapshot_id=backup["id"]))
    assert app.execute(late, "cat", "/data/deep/file") == "first\n"


def test_a_restart_of_the_cloud_ends_what_was_under_way(app: App) -> None:
    """Volumes that are made, restored or extended, a snapshot that is being taken, and a machine that runs."""
    edge = app.edge
    full = volume(app)
    machine = mounted(app, full)
    app.execute(machine, "sh", "-c", "echo kept > /data/file; head -c 200M /dev/zero > /data/large")
    app.destroy(machine)
    grown, volumes = volume(app), f"{app.path}/volumes"
    machine = app.create()
    edge.control("PUT", "/settings", {"volume_seconds": 120})
    made, forked = volume(app, wait=False), volume(app, wait=False, source_volume_id=full["id"])
    edge.call("PUT", f"{volumes}/{grown['id']}/extend", {"size_gb": 2})
    path = f"{volumes}/{full['id']}/snapshots"
    edge.call("POST", path)
    assert edge.call("GET", path)[0]["status"] == "running"
    run("docker", "restart", "--time", "0", f"opsmap-{edge.instance.name}-cloud", timeout=120)

    def states() -> list[str]:
        try:
            found = [edge.call("GET", f"{volumes}/{each['id']}")["state"] for each in (made, forked, grown)]
            return [*found, edge.call("GET", path)[0]["status"]]
        except httpx.TransportError:
            return []

    until(lambda: states() == ["created"] * 4, 60)
    for item in (forked, volume(app, size_gb=1, snapshot_id=edge.call("GET", path)[0]["id"])):
        assert (
            app.execute(mounted(app, item), "sh", "-c", "cat /data/file; stat -c %s /data/large") == "kept\n209715200\n"
        )
    edge.call("POST", f"{app.path}/ip_assignments", {"type": "v6"})
    until(lambda: edge.get(app.host).status_code == 200)
    assert app.state(machine) == "started"


def test_volumes_of_an_organization(app: App, new_app: NewApp) -> None:
    other = new_app()
    mine = {volume(each, wait=False, region=region)["id"] for each in (app, other) for region in ("ewr", "lhr")}
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = app.edge.call("GET", "/orgs/personal/volumes", limit=1, cursor=cursor)
        assert len(page["volumes"]) <= 1
        seen += page["volumes"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert mine <= {item["id"] for item in seen}
    assert {app.name, other.name} <= {item["app_name"] for item in seen}
    away = app.edge.call("GET", "/orgs/personal/volumes", region="lhr")["volumes"]
    assert {item["region"] for item in away} == {"lhr"}
    app.edge.call("GET", "/orgs/personal/volumes", expect=400, limit="x")


# Certificates


def pair(host: str, *, names: list[str] | None = None, ends: datetime.datetime = NOW + 30 * DAY) -> dict[str, str]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "custom")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(min(NOW, ends) - DAY).not_valid_after(ends)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names or [host]])
    certificate = builder.add_extension(alternatives, critical=False).sign(key, hashes.SHA256())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return {"hostname": host, "fullchain": chain, "private_key": key.private_bytes(*form).decode()}


def issuer(edge: Edge, host: str) -> str:
    """Who signed what the front door shows for a name; '' when it shows nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with edge.connect(443) as raw, context.wrap_socket(raw, server_hostname=host) as line:
            found = x509.load_der_x509_certificate(line.getpeercert(binary_form=True) or b"")
    except (TimeoutError, ssl.SSLError, ConnectionError):
        return ""
    return str(found.issuer.get_attributes_for_oid(x509.oid.NameOID.COMMON_NAME)[0].value)


def test_acme(app: App) -> None:
    edge, host = app.edge, f"www.{app.name}.localhost"
    edge.control("PUT", "/settings", {"certificate_seconds": 1.5})
    app.create()
    assert edge.get(host, outside=80).status_code == 404
    made = edge.call("POST", f"{app.path}/certificates/acme", {"hostname": host.upper()}, 201)
    assert (made["hostname"], made["status"], made["configured"]) == (host, "pending_validation", False)
    assert edge.get(host, outside=80).status_code == 200  # routing needs the object only
    assert issuer(edge, host) == ""
    one = f"{app.path}/certificates/{host}"
    until(lambda: edge.call("GET", one)["status"] == "active")
    assert edge.get(host).status_code == 200
    found = edge.call("POST", f"{one}/check")
    assert (found["validation"]["alpn_configured"], found["validation_errors"]) == (True, [])
    assert found["certificates"][0]["source"] == "fly"
    assert {issued["type"] for issued in found["certificates"][0]["issued"]} == {"rsa", "ecdsa"}
    assert found["dns_records"]["aaaa"] == found["dns_requirements"]["aaaa"] != []
    assert found["dns_requirements"]["acme_challenge"]["name"] == f"_acme-challenge.{host}"
    again = edge.call("POST", f"{app.path}/certificates/acme", {"hostname": host}, 201)
    assert (again["status"], len(edge.call("GET", f"{app.path}/certificates")["certificates"])) == ("active", 1)
    edge.call("DELETE", one, expect=204)
    edge.call("GET", one, expect=404)
    assert edge.get(host, outside=80).status_code == 404


def test_names_that_dns_does_not_have(app: App, new_app: NewApp) -> None:
    edge, host = app.edge, f"www.{app.name}.example"
    edge.control("PUT", "/settings", {"certificate_seconds": 0})
    edge.call("POST", f"{app.path}/certificates/acme", {"hostname": host}, 201)
    one = f"{app.path}/certificates/{host}"
    found = edge.call("POST", f"{one}/check")
    assert (found["status"], found["dns_records"]["aaaa"]) == ("pending_validation", [])
    assert host in found["validation_errors"][0]["message"]
    edge.control("POST", "/fly/dns", {"hostname": host, "configured": True})
    assert edge.call("POST", f"{one}/check")["status"] == "active"
    other = new_app()
    assert "another app" in edge.error("POST", f"{other.path}/certificates/acme", {"hostname": host}, 422)
    for bad in ("", "no_dots", "under_score.example", "*.*.example", "x" * 64 + ".example", "http://a.example"):
        edge.call("POST", f"{app.path}/certificates/acme", {"hostname": bad}, 422)


def test_wildcards_need_the_challenge(app: App) -> None:
    edge, host = app.edge, f"*.{app.name}.example"
    edge.control("PUT", "/settings", {"certificate_seconds": 0})
    app.create()
    one = f"{app.path}/certificates/%2A.{app.name}.example"
    edge.call("POST", f"{app.path}/certificates/acme", {"hostname": host}, 201)
    edge.control("POST", "/fly/dns", {"hostname": host, "configured": True})
    pending = edge.call("POST", f"{one}/check")
    assert (pending["status"], "_acme-challenge" in pending["validation_errors"][0]["message"]) == (
        "pending_validation",
        True,
    )
    edge.control("POST", "/fly/dns", {"hostname": host, "acme_challenge": True})
    assert edge.call("GET", one)["status"] == "active"
    assert edge.get(f"any.{app.name}.example").status_code == 200
    assert issuer(edge, f"two.levels.{app.name}.example") == ""


def test_too_many_failures_are_limited(app: App) -> None:
    edge, host = app.edge, f"never.{app.name}.example"
    edge.control("PUT", "/settings", {"certificate_seconds": 0})
    edge.call("POST", f"{app.path}/certificates/acme", {"hostname": host}, 201)
    checks = [edge.call("POST", f"{app.path}/certificates/{host}/check") for _ in range(5)]
    assert [item["rate_limited_until"] is not None for item in checks] == [False] * 4 + [True]
    edge.control("POST", "/fly/dns", {"hostname": host, "configured": True})
    assert edge.call("GET", f"{app.path}/certificates/{host}")["status"] == "pending_validation"


def test_custom_certificates(app: App) -> None:
    edge, host = app.edge, f"own.{app.name}.localhost"
    edge.control("PUT", "/settings", {"certificate_seconds": 0})
    app.create()
    path = f"{app.path}/certificates/custom"
    good, other = pair(host), pair(host)
    refusals = {
        "expired": pair(host, ends=NOW - DAY),
        "does not match": {**good, "private_key": other["private_key"]},
        "do not cover": pair(host, names=["else.localhost"]),
        "no PEM certificate": {**good, "fullchain": "nonsense"},
        "no PEM key": {**good, "private_key": "nonsense"},
    }
    for says, body in refusals.items():
        assert says in edge.error("POST", path, body, 422)
    made = edge.call("POST", path, good, 201)
    assert (made["status"], made["acme_requested"]) == ("active", False)
    assert [item["source"] for item in made["certificates"]] == ["custom"]
    assert made["certificates"][0]["issued"][0]["type"] == "ecdsa"
    assert issuer(edge, host) == "custom"
    one = f"{app.path}/certificates/{host}"
    edge.call("POST", f"{app.path}/certificates/acme", {"hostname": host}, 201)
    assert issuer(edge, host) == "custom"  # it is served first
    both = edge.call("DELETE", f"{one}/custom")
    assert [item["source"] for item in both["certificates"]] == ["fly"]
    assert issuer(edge, host).startswith("opsmap")
    edge.call("DELETE", f"{one}/custom", expect=404)
    edge.call("POST", path, pair(host, names=[f"*.{app.name}.localhost"]), 201)
    edge.call("DELETE", f"{one}/acme")
    assert "warning" in edge.call("DELETE", f"{one}/custom")
    edge.call("GET", one, expect=404)
    foreign = pair("own.example")
    assert edge.call("POST", path, foreign, 201)["status"] == "pending_ownership"
    edge.control("POST", "/fly/dns", {"hostname": "own.example", "ownership": True})
    assert edge.call("GET", f"{app.path}/certificates/own.example")["status"] == "active"


def test_list_of_certificates(app: App) -> None:
    for number in range(5):
        app.edge.call("POST", f"{app.path}/certificates/acme", {"hostname": f"n{number}.{app.name}.localhost"}, 201)
    path = f"{app.path}/certificates"
    first = app.edge.call("GET", path, limit=2)
    assert (len(first["certificates"]), first["total_count"], bool(first["next_cursor"])) == (2, 5, True)
    second = app.edge.call("GET", path, limit=2, cursor=first["next_cursor"])
    last = app.edge.call("GET", path, limit=2, cursor=second["next_cursor"])
    names = [item["hostname"] for page in (first, second, last) for item in page["certificates"]]
    assert (len(set(names)), last["next_cursor"]) == (5, "")
    assert [item["hostname"] for item in app.edge.call("GET", path, filter="n3.")["certificates"]] == [
        f"n3.{app.name}.localhost"
    ]
    assert {"acme_requested", "has_custom_certificate", "has_fly_certificate"} <= set(first["certificates"][0])
    app.edge.call("GET", path, expect=400, limit=501)
