"""Canaries that the alarms can guard, and those that they cannot."""

import argparse
from types import SimpleNamespace

import pytest

from training.cloud.endpoint.alarms import Limits, alarm_requests
from training.cloud.endpoint.arguments import add_alarms, add_canary, canary_of
from training.cloud.endpoint.canary import unseen_failure
from training.cloud.endpoint.guardrails import Canary
from training.cloud.endpoint.requests import Instances, Serverless
from training.errors import CloudError

MACHINES, ENDPOINT = Instances("ml.c5.xlarge", 4), {"EndpointName": "garments"}
NO_SCALING = SimpleNamespace(find=lambda *_: None)


def parsed(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_alarms(parser)
    add_canary(parser)
    return parser.parse_args(given)


@pytest.mark.parametrize("machines", range(1, 61))
def test_the_defaults_are_guarded_with_any_number_of_machines(machines):
    canary, share = canary_of(parsed()), parsed().alarm_errors
    hardware = Instances("ml.c5.xlarge", machines)
    assert canary == Canary()
    assert unseen_failure(NO_SCALING, ENDPOINT, hardware, canary, share) is None


@pytest.mark.parametrize(
    ("machines", "percent", "share", "numbers"),
    [
        (4, 25, 0.24, None),
        (4, 25, 0.25, ("1 of 4 machines", "25.0%")),  # the alarm goes off above it
        (20, 5, 0.05, ("1 of 20 machines", "5.0%")),
        (100, 3, 0.05, ("3 of 100 machines", "3.0%", "5.0%")),
        # It is a whole number of machines: here more than 3 %, here less than 10 %.
        (2, 3, 0.05, None),
        (19, 10, 0.06, ("1 of 19 machines", "5.3%", "6.0%")),
        (1, 10, 0.9, None),
    ],
)
def test_an_alarm_has_to_see_every_request_of_the_canary_fail(machines, percent, share, numbers):
    hardware = Instances("ml.c5.xlarge", machines)
    said = unseen_failure(NO_SCALING, ENDPOINT, hardware, Canary(percent), share)
    assert (said is None) == (numbers is None)
    for number in numbers or ():
        assert number in said


def test_what_has_no_canary_has_none_that_fails_unseen():
    assert unseen_failure(NO_SCALING, ENDPOINT, MACHINES, None, 0.9) is None
    assert unseen_failure(NO_SCALING, ENDPOINT, Serverless(3072, 5), Canary(), 0.9) is None


def test_a_canary_lasts_until_an_alarm_has_gone_off():
    """One period more than the alarm wants, since they do not begin together."""
    for alarm in alarm_requests("garments", Limits()):
        assert (alarm["EvaluationPeriods"] + 1) * alarm["Period"] == 3 * 60
    assert canary_of(parsed("--canary-minutes", "3")) == Canary(wait_seconds=180)
    assert canary_of(parsed("--canary-minutes", "1", "--at-once")) is None
    with pytest.raises(CloudError, match=r"--canary-minutes 2 may be .* takes up to 3 minutes"):
        canary_of(parsed("--canary-minutes", "2"))
