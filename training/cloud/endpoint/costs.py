"""What machines cost by the hour, in words."""

from __future__ import annotations

from training.cloud.calls import Calls
from training.cloud.endpoint.requests import Instances, Serverless
from training.cloud.prices import hourly_price
from training.errors import CloudError


def hourly_costs(
    calls: Calls,
    hardware: Instances | Serverless,
    component: str = "Hosting",
    most: int | None = None,
) -> str:
    """By AWS's price list, or why that is not known.

    Args:
        calls: to AWS.
        hardware: what there is now.
        component: Hosting or Batch Transform.
        most: how many machines there may be with scaling; None for no more than there are.
    """
    if isinstance(hardware, Serverless):
        return "nothing by the hour: serverless is paid by the request"
    made, what = calls.session, f"{hardware.count} x {hardware.kind}"
    what += f", up to {most} with the load," if most else ""
    try:
        price = hourly_price(hardware.kind, str(made.region_name), made, component)
    except CloudError as error:
        return f"{what} by the hour; how much is not known: {error}"
    if price is None:
        return f"{what} by the hour; the price list has none of these in {made.region_name}"
    said = f"{price * hardware.count:.2f} USD an hour"
    said += f", and up to {price * most:.2f} USD an hour at {most} machines" if most else ""
    return f"{said}: {hardware.count} x {hardware.kind}, {price:g} each"
