"""A small image that answers every request, for tests that need machines but no product."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.support import ROOT, Instance, run

# The base image has Perl and no Python. A process for each connection; both families on one socket.
SERVER = r"""
use IO::Socket::IP;
my $server = IO::Socket::IP->new(
    LocalHost => "::", LocalPort => 8080, V6Only => 0, Listen => 64, ReuseAddr => 1) or die "cannot listen: $@";
$SIG{CHLD} = "IGNORE";
$SIG{INT} = $SIG{TERM} = sub { exit 0 };
while (1) {
    my $client = $server->accept or next;
    next if fork;
    while (my $line = <$client>) { last if $line =~ /^\r?\n$/ }
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    exit 0;
}
"""


def pushed(cloud: Instance, app: str, folder: Path, python: str = "") -> str:
    """Make an app and push the image to its repository in a local cloud; its reference there. It listens on 8080.

    python: a script that is the image's ``python``.
    """
    cloud.call(1, "POST", "/v1/apps", "fly", {"name": app, "org_slug": "personal"})
    base = (ROOT / ".cache" / "base-image").read_text().strip()
    (folder / "server.pl").write_text(SERVER)
    (folder / "python").write_text(python)
    (folder / "python").chmod(0o755)
    more = "COPY python /usr/local/bin/python\n" if python else ""
    (folder / "Dockerfile").write_text(f'FROM {base}\nCOPY server.pl /server.pl\n{more}CMD ["perl", "/server.pl"]\n')
    registry = f"localhost:{cloud.port + 4}"
    login = base64.b64encode(f"x:{cloud.token('fly')}".encode()).decode()
    (folder / "docker").mkdir(mode=0o700, exist_ok=True)
    (folder / "docker" / "config.json").write_text(json.dumps({"auths": {registry: {"auth": login}}}))
    reference = f"{registry}/{app}:tiny"
    run("docker", "build", "--quiet", "--tag", reference, str(folder))
    run("docker", "--config", str(folder / "docker"), "push", reference)
    return reference
