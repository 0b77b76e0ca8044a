"""The alarms that watch an endpoint, and bring the old machines back during an update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from training.cloud.calls import Calls
from training.cloud.endpoint.requests import TAG, VARIANT, Request

PERIOD_SECONDS, PERIODS = 60, 2
"""An alarm goes off after so many bad periods in a row."""

LEAST_MINUTES = (PERIODS + 1) * PERIOD_SECONDS // 60
"""Within these it goes off: AWS's periods do not begin when the errors do."""


@dataclass(frozen=True)
class Limits:
    """When an alarm goes off, over two minutes in a row."""

    error_share: float = 0.05
    """Share of the requests answered with 5xx."""
    latency_ms: float = 2000.0
    """95 % of the requests are to be faster, in the container."""


def alarm_names(endpoint: str) -> list[str]:
    """Names of the endpoint's alarms."""
    return [f"{endpoint}-5xx", f"{endpoint}-latency"]


def alarm_requests(endpoint: str, limits: Limits) -> list[Request]:
    """Of `PutMetricAlarm`, one for each alarm."""
    errors, latency = alarm_names(endpoint)
    common = {
        "Namespace": "AWS/SageMaker",
        "Dimensions": [
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": VARIANT},
        ],
        "Period": PERIOD_SECONDS,
        "EvaluationPeriods": PERIODS,
        "ComparisonOperator": "GreaterThanThreshold",
        # No requests are no errors.
        "TreatMissingData": "notBreaching",
        "Tags": [{"Key": f"{TAG}:endpoint", "Value": endpoint}],
    }
    return [
        {
            "AlarmName": errors,
            "AlarmDescription": f"More than {limits.error_share:.1%} of requests fail with 5xx.",
            "MetricName": "Invocation5XXErrors",
            # Each request counts 0 or 1, so the average is the share.
            "Statistic": "Average",
            "Threshold": limits.error_share,
            **common,
        },
        {
            "AlarmName": latency,
            "AlarmDescription": f"More than 5 % of requests take over {limits.latency_ms:g} ms.",
            "MetricName": "ModelLatency",
            "ExtendedStatistic": "p95",
            # The metric is in microseconds.
            "Threshold": limits.latency_ms * 1000,
            **common,
        },
    ]


def find_alarms(calls: Calls, endpoint: str) -> dict[str, dict[str, Any]]:
    """Those of the endpoint's alarms that there are, by name, as `DescribeAlarms` has them."""
    names = {"AlarmNames": alarm_names(endpoint)}
    found = calls.find("cloudwatch", "DescribeAlarms", names, "looking at the alarms")
    return {alarm["AlarmName"]: alarm for alarm in (found or {}).get("MetricAlarms", [])}


def error_share_of(calls: Calls, endpoint: str) -> float | None:
    """Of the requests, above which the alarm that is there goes off; None where there is none."""
    alarm = find_alarms(calls, endpoint).get(alarm_names(endpoint)[0])
    return None if alarm is None else float(alarm["Threshold"])


def set_alarms(calls: Calls, endpoint: str, limits: Limits) -> None:
    """Create the alarms, or change those that are otherwise than they should be."""
    there = find_alarms(calls, endpoint)
    for request in alarm_requests(endpoint, limits):
        alarm = there.get(request["AlarmName"], {})
        if any(alarm.get(name) != request[name] for name in request if name != "Tags"):
            doing = f"setting the alarm {request['AlarmName']}"
            calls.change("cloudwatch", "PutMetricAlarm", request, doing)
