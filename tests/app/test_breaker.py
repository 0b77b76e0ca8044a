"""The circuit breaker, with a clock of the test's own."""

import pytest

from app.breaker import CircuitBreaker, CircuitOpen


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(3, 10, clock)


def call(breaker: CircuitBreaker, error: Exception | None = None) -> None:
    with breaker.call(lambda raised: isinstance(raised, ValueError)):
        if error is not None:
            raise error


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ValueError, match="broken"):
            call(breaker, ValueError("broken"))


def test_it_opens_after_failures_in_a_row(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    call(breaker)
    fail(breaker, 2)
    assert not breaker.is_open
    fail(breaker, 1)
    assert breaker.is_open
    with pytest.raises(CircuitOpen) as refused:
        call(breaker)
    assert refused.value.seconds == 10


def test_other_errors_do_not_count(breaker: CircuitBreaker) -> None:
    for _ in range(9):
        with pytest.raises(KeyError):
            call(breaker, KeyError())
    assert not breaker.is_open


def test_after_the_pause_one_call_tries_and_closes_it(breaker, clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    assert not breaker.is_open
    with breaker.call(lambda _: True), pytest.raises(CircuitOpen):
        call(breaker)  # while the first one tries
    call(breaker)
    fail(breaker, 2)
    assert not breaker.is_open


def test_a_success_that_was_under_way_closes_it_for_good(breaker: CircuitBreaker) -> None:
    with breaker.call(lambda _: True):
        fail(breaker, 3)
        assert breaker.is_open
    fail(breaker, 2)
    assert not breaker.is_open


def test_a_trial_that_fails_opens_it_again(breaker, clock) -> None:
    fail(breaker, 3)
    clock.now += 11
    fail(breaker, 1)
    assert breaker.is_open
    clock.now += 11
    call(breaker)


def test_a_trial_that_is_given_up_leaves_room_for_another(breaker, clock) -> None:
    fail(breaker, 3)
    clock.now += 11
    with pytest.raises(KeyboardInterrupt), breaker.call(lambda _: True):
        raise KeyboardInterrupt
    call(breaker)
