"""One small service of examples/fifty; every service of the formation runs this file. `/chain` calls one of $CALLS through the proxy, which does the same, until
a service calls nobody; the answer lists who took part. Plain sockets and threads, and HTTP/1.1 just as far as a platform's health check, router and proxy
need it: an instance takes about 11 MB resident (Node takes 61, Python's http.server 21), so that a hundred fit on a laptop."""

import os
import random
import signal
import socket
import sys
import threading
from time import monotonic

REQUEST_BYTES_MAX = 65_536
CALL_TIMEOUT_SECONDS = 10
IDLE_TIMEOUT_SECONDS = 60
ME = os.environ.get("GILLIAM_SERVICE", "local") + "." + os.environ.get("GILLIAM_INSTANCE", str(os.getpid()))
FORMATION = os.environ.get("GILLIAM_FORMATION", "fifty")
CALLS = os.environ.get("CALLS", "").split()
# `http://127.0.0.1:7128` → ("127.0.0.1", 7128)
PROXY = os.environ.get("HTTP_PROXY", "http://127.0.0.1:7128").rpartition("/")[2].rpartition(":")


def read_head(connection):
    """The first line and the fields of one message, and what came after them; None when the other side is done."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(4_096)
        if not part or len(data) > REQUEST_BYTES_MAX:
            return None
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = dict((line.partition(":")[0].lower(), line.partition(":")[2].strip()) for line in lines)
    return first, fields, rest


def call(service):
    """What `/chain` of another service answers: (status, path). Asks in absolute form, as any client of a forward proxy does (RFC 9112 section 3.2.2)."""
    host = f"{service}.{FORMATION}.service"
    with socket.create_connection((PROXY[0], int(PROXY[2])), CALL_TIMEOUT_SECONDS) as proxy:
        proxy.sendall(f"GET http://{host}/chain HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        head = read_head(proxy)
        if head is None:
            return 502, [f"{service}: no answer"]
        first, fields, body = head
        left = int(fields.get("content-length", "0")) - len(body)
        while left > 0:
            part = proxy.recv(4_096)
            if not part:
                return 502, [f"{service}: half an answer"]
            body += part
            left -= len(part)
    status = int(first.split(" ")[1])
    text = body.decode()
    return status, text.split() if status == 200 else [f"{service}: {status} {text.strip()}"]


def chain():
    """The path from here on: this instance, and what one of the called services answers. One line per instance."""
    if not CALLS:
        return 200, [ME]
    try:
        status, path = call(random.choice(CALLS))
    except OSError as error:
        status, path = 502, [str(error)]
    return (200 if status == 200 else 502), [ME, *path]


def answer(target):
    path = target.partition("?")[0]
    if path == "/healthz":
        return 200, ["ok"]
    if path == "/chain":
        started = monotonic()
        status, lines = chain()
        print(f"/chain {status} {len(lines)} instances {(monotonic() - started) * 1000:.1f} ms", flush=True)
        return status, lines
    return 404, [f"{ME} knows /chain and /healthz"]


def serve(connection):
    """Answers GETs, one after another, until the caller closes the connection."""
    with connection:
        connection.settimeout(IDLE_TIMEOUT_SECONDS)
        try:
            while (head := read_head(connection)) is not None:
                status, lines = answer(head[0].split(" ")[1])
                body = ("\n".join(lines) + "\n").encode()
                last = head[1].get("connection", "").lower() == "close"
                fields = f"content-type: text/plain\r\ncontent-length: {len(body)}\r\nx-served-by: {ME}\r\n"
                fields += "connection: close\r\n" if last else ""
                connection.sendall(f"HTTP/1.1 {status} -\r\n{fields}\r\n".encode() + body)
                if last:
                    return
        except OSError:
            return  # the caller went away


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.stack_size(256 * 1_024)
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080")))
    with socket.create_server(address, backlog=128) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
