"""What a job may cost at most, by AWS's price list."""

from __future__ import annotations

import json
from typing import Any

import boto3

from training.aws import client, plain_errors
from training.errors import CloudError

PRICE_LIST_REGION = "us-east-1"
"""One of the few regions where the price list can be asked, for the prices of all of them."""


def hourly_price(
    instance_type: str, region: str, made: boto3.Session, component: str = "Training"
) -> float | None:
    """US dollars per hour of one instance, on demand; None where none is listed.

    `component` is what it is for: Training, Hosting or Batch Transform.

    Raises:
        CloudError: the price list cannot be asked.
    """
    with plain_errors("asking AWS's price list"):
        pages = (
            client("pricing", made, region=PRICE_LIST_REGION)
            .get_paginator("get_products")
            .paginate(
                ServiceCode="AmazonSageMaker",
                Filters=[
                    {"Type": "TERM_MATCH", "Field": "regionCode", "Value": region},
                    {"Type": "TERM_MATCH", "Field": "instanceName", "Value": instance_type},
                ],
            )
        )
        listed = [json.loads(text) for page in pages for text in page["PriceList"]]
    products = [item for item in listed if _is_for(item["product"]["attributes"], component)]
    prices = [price for product in products for price in _on_demand(product)]
    return max(prices, default=None)


def _is_for(attributes: dict[str, str], component: str) -> bool:
    return component in (attributes.get("component"), attributes.get("platoinstancetype"))


def _on_demand(product: dict[str, Any]) -> list[float]:
    """The prices of a product of the list, the free ones left out."""
    prices = [
        float(dimension["pricePerUnit"].get("USD", 0))
        for term in product.get("terms", {}).get("OnDemand", {}).values()
        for dimension in term["priceDimensions"].values()
    ]
    return [price for price in prices if price > 0]


def highest_price(
    instance_type: str, instances: int, seconds: int, jobs: int, made: boto3.Session, spot: bool
) -> str:
    """A sentence on what so many jobs may cost at most, or on why that is not known."""
    hours = instances * jobs * seconds / 3600
    what = f"{jobs} jobs x " if jobs > 1 else ""
    what += f"{instances} x {instance_type} for at most {seconds / 3600:g} h"
    try:
        price = hourly_price(instance_type, made.region_name, made)
    except CloudError as error:
        return f"The highest possible price of {what} is not known: {error}"
    if price is None:
        return (
            f"The highest possible price of {what} is not known: AWS's price list has no "
            f"{instance_type} for training in {made.region_name}"
        )
    note = "; spot costs less" if spot else ""
    return (
        f"The highest possible price: {price * hours:,.2f} USD ({what}, {price:g} USD/h each"
        f"{note}), without storage and data transfer"
    )
