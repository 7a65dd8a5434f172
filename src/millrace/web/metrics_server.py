"""Hands the newest exposition to whoever asks on this machine; it never touches the program itself.

The program's loop writes the text when it has time and puts it here; a scrape reads what was put last. So a slow or
hostile reader cannot hold up trading, and nothing of the core is read from another thread. It listens on the loopback
address only: there is no password (runtime 2.24).
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

from millrace.core.failure import OperatorError, WorldError
from millrace.web.exposition import CONTENT_TYPE

LOOPBACK: Final = "127.0.0.1"
PATH: Final = "/metrics"
_LAST_PORT: Final = 65_535


class MetricsServer:
    """Serves http://127.0.0.1:PORT/metrics from a thread; port 0 takes a free one.

    Raises WorldError for one in use,
    OperatorError for a number that is no port.
    """

    def __init__(self, port: int) -> None:
        self._text = b""
        if not 0 <= port <= _LAST_PORT:
            raise OperatorError(f"--metrics-port {port}: ports go from 0, any that is free, to {_LAST_PORT}")
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), _handler(self))
        except OSError as error:
            raise WorldError(f"port {port} of this machine cannot be served: {error.strerror}; name another") from error
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is served."""
        return int(self._server.server_address[1])

    def publish(self, text: bytes) -> None:
        """Put the newest text; who asks from now on gets it."""
        self._text = text

    def current(self) -> bytes:
        """Return the newest text."""
        return self._text

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(served: MetricsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET /metrics and nothing else; a slow reader is let go after five seconds."""

        timeout = 5

        def do_GET(self) -> None:
            """Send the newest text."""
            if self.path.partition("?")[0] != PATH:
                self.send_error(404, f"only {PATH} is served")
                return
            body = served.current()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            try:
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                # Who asked went away or reads too slowly; it asks again, and nothing of ours depends on it.
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing: a scrape is no event."""

    return Handler
