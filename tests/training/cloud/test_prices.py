"""The highest possible price, from a server that answers as AWS's price list does."""

from collections.abc import Iterator

import boto3
import pytest

from tests.training.cloud.price_list import product, running_price_list
from training.cloud.calls import Calls
from training.cloud.endpoint.costs import hourly_costs
from training.cloud.endpoint.requests import Instances
from training.cloud.prices import highest_price


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with running_price_list(monkeypatch) as state:
        yield state


def price(**changed) -> str:
    chosen = {"instances": 2, "seconds": 7200, "jobs": 1, "spot": False} | changed
    return highest_price("ml.g5.xlarge", made=boto3.Session(region_name="eu-west-1"), **chosen)


def test_it_is_the_dearest_price_times_all_hours(listed):
    listed["products"] = [
        product("Hosting", "9.0"),
        product("Training", "1.4080000000"),
        product("Training", "0.0000000000"),
    ]
    assert price() == (
        "The highest possible price: 5.63 USD (2 x ml.g5.xlarge for at most 2 h, 1.408 USD/h "
        "each), without storage and data transfer"
    )
    assert "56.32 USD (10 jobs x 2 x" in price(jobs=10, spot=True)
    assert "spot costs less" in price(spot=True)
    assert {item["Field"]: item["Value"] for item in listed["asked"][0]["Filters"]} == {
        "regionCode": "eu-west-1",
        "instanceName": "ml.g5.xlarge",
    }


def test_a_type_that_is_not_listed_is_told(listed):
    listed["products"] = [product("Hosting", "9.0")]
    assert price().endswith("price list has no ml.g5.xlarge for training in eu-west-1")


def test_a_price_list_that_cannot_be_asked_is_told(listed, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", "http://127.0.0.1:9")
    assert "at most 2 h is not known: asking AWS's price list: AWS cannot be reached" in price()


def test_an_endpoint_that_scales_costs_up_to_its_most_machines(listed, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    listed["products"] = [product("Hosting", "1.5")]
    machines = Instances("ml.g5.xlarge", 2)
    assert hourly_costs(Calls(), machines) == "3.00 USD an hour: 2 x ml.g5.xlarge, 1.5 each"
    assert hourly_costs(Calls(), machines, most=5) == (
        "3.00 USD an hour, and up to 7.50 USD an hour at 5 machines: 2 x ml.g5.xlarge, 1.5 each"
    )
