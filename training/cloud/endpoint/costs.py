"""What machines cost by the hour, in words."""

from __future__ import annotations

from training.cloud.calls import Calls
from training.cloud.endpoint.requests import Instances, Serverless
from training.cloud.prices import hourly_price
from training.errors import CloudError


def hourly_costs(calls: Calls, hardware: Instances | Serverless, component: str = "Hosting") -> str:
    """By AWS's price list, or why that is not known; `component` is Hosting or Batch Transform."""
    if isinstance(hardware, Serverless):
        return "nothing by the hour: serverless is paid by the request"
    made, what = calls.session, f"{hardware.count} x {hardware.kind}"
    try:
        price = hourly_price(hardware.kind, str(made.region_name), made, component)
    except CloudError as error:
        return f"{what} by the hour; how much is not known: {error}"
    if price is None:
        return f"{what} by the hour; the price list has none of these in {made.region_name}"
    return f"{price * hardware.count:.2f} USD an hour: {what}, {price:g} each"
