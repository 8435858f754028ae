"""What every Python service of the bookshop does the same way: answers JSON over HTTP, says that it is healthy, calls its neighbours and ends
gracefully. Needs nothing but Python 3. Knows no service of the shop."""

import json
import os
import signal
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FORMATION = os.environ.get("GILLIAM_FORMATION", "bookshop")
ME = os.environ.get("GILLIAM_SERVICE", "local") + "." + os.environ.get("GILLIAM_INSTANCE", str(os.getpid()))
CALL_TIMEOUT_SECONDS = 5
DRAIN_TIMEOUT_SECONDS = 5


class Refusal(Exception):
    """An answer that is not 200."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def ask(service, path):
    """GETs JSON from another service of this formation. urllib takes `http://<service>.<formation>.service/…` to the proxy named in http_proxy.
    Raises a Refusal of 404 or 502."""
    url = f"http://{service}.{FORMATION}.service{path}"
    try:
        with urllib.request.urlopen(url, timeout=CALL_TIMEOUT_SECONDS) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise Refusal(404 if error.code == 404 else 502, f"{service} answered {error.code}") from error
    except OSError as error:
        raise Refusal(502, f"{service} can not be reached: {error}") from error


class InFlight:
    """Counts the requests being answered, so that a stopping service can wait for them."""

    def __init__(self):
        self._changed = threading.Condition()
        self._count = 0

    def __enter__(self):
        with self._changed:
            self._count += 1

    def __exit__(self, *_):
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self, seconds):
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0, seconds)


def _handler(handle, in_flight):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60
        wbufsize = -1  # Head and body in one packet: in two, the second waits 40 ms for the first one's acknowledgement.

        def do_GET(self):
            path, _, query = self.path.partition("?")
            path, query = urllib.parse.unquote(path), dict(urllib.parse.parse_qsl(query))
            with in_flight:
                try:
                    self.answer(200, {"ok": True, "servedBy": ME} if path == "/healthz" else handle(path, query))
                except Refusal as refusal:
                    self.answer(refusal.status, {"error": str(refusal), "servedBy": ME})

        def answer(self, status, body):
            data = (json.dumps(body) + "\n").encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.send_header("x-served-by", ME)
            if self.close_connection:
                self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    return Handler


def serve(handle):
    """Serves `handle(path, query)` on $PORT until SIGTERM; then takes no more connections, finishes what was begun, and returns."""
    in_flight = InFlight()
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080")))
    server = ThreadingHTTPServer(address, _handler(handle, in_flight))
    server.daemon_threads = True

    def stop(*_):
        print(ME, "stops", flush=True)
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    print(ME, "listens on", server.server_port, flush=True)
    server.serve_forever(poll_interval=0.1)
    server.socket.close()
    in_flight.wait(DRAIN_TIMEOUT_SECONDS)
