"""Starts one local cloud: ``python3 -m local_cloud`` in its container."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from pathlib import Path

from aiohttp import web

from local_cloud import control, edge, flycast, oauth, redis_cloud, sns, wire
from local_cloud.aws import Aws
from local_cloud.ca import Authority
from local_cloud.certs import Certificates, server_context
from local_cloud.cloud import Cloud
from local_cloud.config import TLS_OFFSET, Settings
from local_cloud.digitalocean import DigitalOcean
from local_cloud.docker import Docker
from local_cloud.fly import Fly
from local_cloud.gate import Gate
from local_cloud.proxy import Relay
from local_cloud.store import Store
from local_cloud.supervisor import Child

log = logging.getLogger("local_cloud")


def make_cloud() -> Cloud:
    """Everything that lives as long as the process."""
    settings = Settings.from_env()
    settings.state.mkdir(parents=True, exist_ok=True)
    authority = Authority(settings.state, f"opsmap local cloud {settings.instance}")
    return Cloud(settings, Store(settings.state / "state.sqlite"), Docker(), authority)


async def serve(
    app: web.Application, port: int, hosts: list[str], tls: tuple[int, ssl.SSLContext] | None = None
) -> web.AppRunner:
    """Listen until the runner is cleaned up. tls: a second port, where it answers over TLS."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False)
    await runner.setup()
    for host in hosts:
        await web.TCPSite(runner, host, port, reuse_address=True).start()
        if tls:
            await web.TCPSite(runner, host, tls[0], reuse_address=True, ssl_context=tls[1]).start()
    return runner


async def start_services(
    cloud: Cloud, fly: Fly, ocean: DigitalOcean, aws: Aws, certificates: Certificates
) -> list[web.AppRunner]:
    """All HTTP services on their ports of the block; the clouds' APIs over TLS too."""

    async def reset(cloud: Cloud) -> None:
        for each in (fly.reset, redis_cloud.reset, ocean.reset, aws.reset):
            await each(cloud)
        cloud.store.clear()

    ours = ["0.0.0.0", "::"]
    steering = [*fly.control_routes(), *ocean.control_routes(), *aws.control_routes()]
    control_app = control.build(cloud, [reset], sns.sign, steering)
    runners = [await serve(control_app, cloud.settings.port(0), _hosts(ours))]
    context = server_context(*cloud.ca.issue(["localhost", "127.0.0.1", "local-cloud.internal"]))
    for offset, app in enumerate([fly.build(), redis_cloud.build(cloud), ocean.build()], start=1):
        secure = cloud.settings.port(offset + TLS_OFFSET), context
        runners.append(await serve(app, cloud.settings.port(offset), _hosts(ours), secure))
    runners.append(await serve(oauth.build(cloud), cloud.settings.port(8), _hosts(ours)))
    runners.append(await serve(aws.build(), cloud.settings.port(9), _hosts(ours)))
    runners.append(await serve(edge.guard(cloud, certificates), wire.GUARD_PORT, ["127.0.0.1"]))
    return runners


def _hosts(wanted: list[str]) -> list[str]:
    """Both families; a dual-stack ``::`` would take the IPv4 port too, so aiohttp binds them apart."""
    return wanted if Path("/proc/net/if_inet6").exists() else wanted[:1]


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    cloud = make_cloud()
    fly, ocean, aws = Fly(cloud), DigitalOcean(cloud), Aws(cloud)
    relay = Relay(cloud, fly)
    certificates = Certificates(cloud, relay.routes)
    caddyfile, registry = cloud.settings.state / "Caddyfile", cloud.settings.state / "registry.yml"
    caddyfile.write_text(edge.caddyfile(cloud))
    registry.write_text(edge.REGISTRY_CONFIG.format(state=cloud.settings.state, port=wire.REGISTRY_PORT))
    children = [
        Child("caddy", "caddy", "run", "--config", str(caddyfile), "--adapter", "caddyfile"),
        Child("registry", "docker-registry", "serve", str(registry)),
        aws.child(),
    ]
    for child in children:
        child.start()
    server = await relay.listen(wire.RELAY_PORT)
    gate = Gate(relay, certificates)
    for offset, port in enumerate(cloud.settings.proxy_ports, start=5):
        gate.listen(cloud.settings.port(offset), port)
    gate.listen(wire.FLYCAST_PORT)
    runners = await start_services(cloud, fly, ocean, aws, certificates)
    await redis_cloud.restore(cloud)
    await ocean.restore()
    await fly.keeper.restore()
    fly.apps.volumes.restore()
    fly.snapshots.restore()
    cloud.spawn(relay.balancer.keep())
    cloud.spawn(flycast.keep(cloud, relay.routes))
    log.info("local cloud %s is up, ports from %s", cloud.settings.instance, cloud.settings.port_base)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()
    await asyncio.gather(*(runner.cleanup() for runner in runners), *(child.stop() for child in children))
    await fly.runner.close()
    await aws.close()
    await cloud.docker.close()


if __name__ == "__main__":
    asyncio.run(main())
