"""As much of memcached's binary protocol as a test needs (the protocol's page in the memcached documentation)."""

from __future__ import annotations

import socket
import ssl
import struct
from types import TracebackType

GET, SET, LOGIN = 0x00, 0x01, 0x21
HEADER = struct.Struct(">BBHBBHIIQ")


class Memcached:
    """A client that has logged in; PermissionError where it may not."""

    def __init__(self, port: int, username: str, password: str, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket = tls.wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain
        status, text = self.call(LOGIN, "PLAIN", f"\0{username}\0{password}")
        if status:
            self.socket.close()
            raise PermissionError(text)

    def __enter__(self) -> Memcached:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def set(self, key: str, value: str) -> bool:
        """Whether it was kept."""
        return self.call(SET, key, value, struct.pack(">II", 0, 0))[0] == 0

    def get(self, key: str) -> str | None:
        """Its value; None where there is none."""
        status, body = self.call(GET, key)
        return None if status else body[4:].decode()

    def call(self, operation: int, key: str, value: str = "", extras: bytes = b"") -> tuple[int, bytes]:
        """Status and body of an answer."""
        body = extras + key.encode() + value.encode()
        self.socket.sendall(HEADER.pack(0x80, operation, len(key), len(extras), 0, 0, len(body), 0, 0) + body)
        _magic, _operation, _key, _extras, _type, status, length, _opaque, _cas = HEADER.unpack(self._read(HEADER.size))
        return status, self._read(length)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("memcached has closed the connection")
            data += more
        return data
