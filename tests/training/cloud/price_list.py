"""A server that answers as AWS's price list does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.local_server import QuietHandler, asked_by_boto3


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

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802  # http.server's name
            length = int(self.headers["Content-Length"])
            state["asked"].append(json.loads(self.rfile.read(length)))
            body = json.dumps({"FormatVersion": "aws_v1", "PriceList": state["products"]}).encode()
            self.answer(200, "application/x-amz-json-1.1", body)

    with asked_by_boto3(monkeypatch, "PRICING", Handler):
        yield state
