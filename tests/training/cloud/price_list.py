"""A server that answers as AWS's price list does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


def product(component: str, price: str) -> str:
    """As in the price list: JSON in JSON."""
    dimensions = {"x": {"unit": "Hrs", "pricePerUnit": {"USD": price}}}
    return json.dumps(
        {
            "product": {"attributes": {"component": component, "instanceName": "ml.g5.xlarge"}},
            "terms": {"OnDemand": {"t": {"priceDimensions": dimensions}}},
        }
    )


@contextmanager
def running_price_list(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict]:
    """Boto3 asks it. Fill `products`; `asked` holds the requests."""
    state: dict = {"products": [], "asked": []}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            state["asked"].append(json.loads(self.rfile.read(length)))
            body = json.dumps({"FormatVersion": "aws_v1", "PriceList": state["products"]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", f"http://127.0.0.1:{server.server_port}")
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
