"""Lets new clients talk to Debian's Docker engine: asks it for version 1.41 of the API, whatever the client asks for.

    engine-api.py LISTEN_SOCKET ENGINE_SOCKET

The engine refuses versions that it does not know. Clients that ask for one first (docker, docker-compose) do not need
this; the crate testcontainers asks for its own.
"""

import re
import socket
import sys
import threading

NEWEST = 41


def request_head(client):
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(65536)
        if not data:
            return None
        head += data
    head, _, rest = head.partition(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")

    def known(match):
        return b" /v1.%d/" % min(int(match[1]), NEWEST)

    line = re.sub(rb" /v1\.(\d+)/", known, line, count=1)
    # Only the first request of a connection is read here, so there must not be a second one.
    if not re.search(rb"(?im)^(upgrade|connection):.*upgrade|^upgrade:", fields):
        fields = re.sub(rb"(?im)^connection:.*\r?\n?", b"", fields).rstrip(b"\r\n") + b"\r\nConnection: close"
    return line + b"\r\n" + fields + b"\r\n\r\n" + rest


def forward(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client, engine_path):
    with client, socket.socket(socket.AF_UNIX) as engine:
        head = request_head(client)
        if head is None:
            return
        engine.connect(engine_path)
        engine.sendall(head)
        threading.Thread(target=forward, args=(client, engine), daemon=True).start()
        forward(engine, client)


def main():
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(128)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, sys.argv[2]), daemon=True).start()


main()
