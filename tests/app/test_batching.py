import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop

from app.batching import Batcher
from app.errors import DeadlineExceeded, InternalError, Overloaded, ShuttingDown
from app.lanes import LaneClosed


class Doubler:
    """Doubles integers; -1 fails; `gate` closed holds a batch in work."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.started = threading.Event()
        self.gate.set()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.started.set()
        self.threads.add(threading.current_thread().name)
        assert self.gate.wait(10)
        if -1 in items:
            raise ValueError("minus one")
        return [2 * item for item in items]


@pytest.fixture
def run() -> Iterator[Callable[..., None]]:
    """Runs a scenario with a batcher of at most 4, and a queue of at most 6."""

    def run(scenario: Callable[[Batcher[int, int], Doubler], Awaitable[None]]) -> None:
        async def main() -> None:
            with ThreadPoolExecutor(1, thread_name_prefix="one") as executor:
                batcher = Batcher(double, executor, max_batch=4, max_queue=6)
                try:
                    async with asyncio.timeout(10):
                        await scenario(batcher, double)
                finally:
                    double.gate.set()
                    await batcher.close()

        double = Doubler()
        asyncio.run(main())

    return run


async def hold(batcher: Batcher[int, int], double: Doubler) -> asyncio.Task[object]:
    """Put one item in work and keep it there."""
    double.gate.clear()
    task = asyncio.create_task(batcher.submit(0, 10))
    await asyncio.to_thread(double.started.wait, 10)
    return task


async def waiting(
    batcher: Batcher[int, int], *items: int, seconds: float = 10
) -> list[asyncio.Task]:
    tasks = [asyncio.create_task(batcher.submit(item, seconds)) for item in items]
    await asyncio.sleep(0.01)
    return tasks


def test_idle_waits_for_nothing(run) -> None:
    async def scenario(batcher, double) -> None:
        answered = await batcher.submit(21, 10)
        assert (answered.result, answered.batch_size) == (42, 1)
        assert answered.queue_seconds < 0.1

    run(scenario)


def test_what_arrives_during_a_batch_forms_the_next_up_to_its_size(run) -> None:
    async def scenario(batcher, double) -> None:
        first = await hold(batcher, double)
        others = await waiting(batcher, 1, 2, 3, 4, 5, 6)
        assert batcher.queued == 6
        double.gate.set()
        assert [(await task).result for task in [first, *others]] == [0, 2, 4, 6, 8, 10, 12]
        assert double.batches == [[0], [1, 2, 3, 4], [5, 6]]
        assert double.threads == {"one_0"}

    run(scenario)


def test_a_full_queue_refuses_at_once(run) -> None:
    async def scenario(batcher, double) -> None:
        await hold(batcher, double)
        tasks = await waiting(batcher, 1, 2, 3, 4, 5, 6)
        with pytest.raises(Overloaded):
            await batcher.submit(7, 10)
        tasks[0].cancel()
        await asyncio.sleep(0)
        (replacement,) = await waiting(batcher, 8)  # its place is free again
        double.gate.set()
        assert (await replacement).result == 16

    run(scenario)


def test_the_cancelled_and_the_late_cost_no_inference(run) -> None:
    async def scenario(batcher, double) -> None:
        await hold(batcher, double)
        cancelled, kept = await waiting(batcher, 1, 2)
        (late,) = await waiting(batcher, 3, seconds=0.02)
        cancelled.cancel()
        with pytest.raises(DeadlineExceeded):
            await late
        double.gate.set()
        assert (await kept).result == 4
        assert double.batches == [[0], [2]]

    run(scenario)


def test_the_cancelled_cost_no_inference_while_they_wait_for_a_thread() -> None:
    async def main() -> None:
        double, busy = Doubler(), threading.Event()
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(double, executor, max_batch=4, max_queue=6)
            other = asyncio.get_running_loop().run_in_executor(executor, busy.wait, 10)
            tasks = [asyncio.create_task(batcher.submit(item, 10)) for item in (1, 2)]
            await asyncio.sleep(0.01)  # the batch is in the executor's queue now
            assert batcher.queued == 0
            tasks[0].cancel()
            await asyncio.sleep(0)
            busy.set()
            await other
            assert (await tasks[1]).result == 4
            assert double.batches == [[2]]
            await batcher.close()

    asyncio.run(main())


def test_without_time_nothing_is_run(run) -> None:
    async def scenario(batcher: Batcher[int, int], double: Doubler) -> None:
        with pytest.raises(DeadlineExceeded):
            await batcher.submit(1, 0)
        assert (await batcher.submit(2, 10)).result == 4
        assert double.batches == [[2]]

    run(scenario)


def test_the_deadline_also_ends_the_wait_for_a_running_batch(run) -> None:
    async def scenario(batcher, double) -> None:
        double.gate.clear()
        with pytest.raises(DeadlineExceeded):
            await batcher.submit(1, 0.02)
        double.gate.set()
        assert (await batcher.submit(2, 10)).result == 4

    run(scenario)


def test_an_error_reaches_the_item_that_caused_it_and_no_other(run) -> None:
    async def scenario(batcher, double) -> None:
        await hold(batcher, double)
        tasks = await waiting(batcher, 1, -1, 3)
        double.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(result, "result", None) for result in results] == [2, None, 6]
        assert isinstance(results[1], ValueError)
        assert double.batches == [[0], [1, -1, 3], [1], [-1], [3]]
        assert (await batcher.submit(5, 10)).result == 10

    run(scenario)


def test_a_time_out_inside_run_is_not_taken_for_the_deadline() -> None:
    def fail(items: list[int]) -> list[int]:
        raise TimeoutError("inside")

    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(fail, executor, max_batch=4, max_queue=4)
            with pytest.raises(TimeoutError, match="inside"):
                await batcher.submit(1, 10)
            await batcher.close()

    asyncio.run(main())


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_an_answer_at_the_deadline_is_an_answer_or_late(runner: Callable[..., None]) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(lambda items: items, executor, max_batch=4, max_queue=4)
            loop = asyncio.get_running_loop()

            def busy() -> None:
                nonlocal handle
                time.sleep(0.01)
                handle = loop.call_soon(busy)

            handle = loop.call_soon(busy)
            # Some of these pass right between the answer and whoever waits for it.
            for seconds in (0.005 * steps for steps in range(1, 16)):
                with contextlib.suppress(DeadlineExceeded):
                    assert (await batcher.submit(1, seconds)).result == 1
            handle.cancel()
            await batcher.close()

    runner(main())


@pytest.mark.parametrize("count", [0, 2])
def test_too_few_or_too_many_results_are_an_error(count: int) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(lambda items: [1] * count, executor, max_batch=4, max_queue=4)
            with pytest.raises(RuntimeError, match=f"1 items gave {count} results"):
                await batcher.submit(1, 10)
            await batcher.close()

    asyncio.run(main())


def test_close_finishes_what_was_submitted_and_refuses_the_rest(run) -> None:
    async def scenario(batcher, double) -> None:
        first = await hold(batcher, double)
        others = await waiting(batcher, 1, 2)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0.01)
        with pytest.raises(ShuttingDown):
            await batcher.submit(3, 10)
        double.gate.set()
        await closing
        assert [task.result().result for task in [first, *others]] == [0, 2, 4]

    run(scenario)


def test_it_tells_the_size_of_each_batch() -> None:
    sizes: list[int] = []

    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(list, executor, max_batch=2, max_queue=9, on_batch=sizes.append)
            await asyncio.gather(*(batcher.submit(item, 10) for item in range(5)))
            await batcher.close()

    asyncio.run(main())
    assert sizes == [2, 2, 1]


def test_two_batches_run_at_the_same_time_and_share_what_is_there() -> None:
    async def main() -> None:
        both = threading.Barrier(2, timeout=10)
        batches: list[list[int]] = []

        def double(items: list[int]) -> list[int]:
            batches.append(items)
            both.wait()  # one alone would wait in vain
            return [2 * item for item in items]

        with ThreadPoolExecutor(2) as executor:
            batcher = Batcher(double, executor, max_batch=4, max_queue=6, parallel=2)
            await asyncio.sleep(0)  # both are idle
            answers = await asyncio.gather(*(batcher.submit(item, 10) for item in range(6)))
            assert [answer.result for answer in answers] == [0, 2, 4, 6, 8, 10]
            assert sorted(batches) == [[0, 1, 2], [3, 4, 5]]
            await batcher.close()

    asyncio.run(main())


class Lane:
    """Doubles too, -1 apart, once it may; then it closes instead if told to, or over -2."""

    def __init__(self, begun: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.may_answer, self.closes, self.begun = asyncio.Event(), False, begun

    async def __call__(self, items: list[int]) -> list[int | Exception]:
        self.batches.append(items)
        async with asyncio.timeout(10):
            await self.may_answer.wait()
        if self.closes or -2 in items:
            raise LaneClosed(begun=self.begun)
        return [ValueError("minus one") if item == -1 else 2 * item for item in items]


def test_this_process_leaves_items_to_another_lane_but_those_meant_for_it(run) -> None:
    async def scenario(batcher, double) -> None:
        lane = Lane()
        lane.may_answer.set()
        serving = asyncio.create_task(batcher.serve(lane))
        await asyncio.sleep(0.01)
        assert (await batcher.submit(1, 10)).result == 2
        with pytest.raises(ValueError, match="minus one"):
            await batcher.submit(-1, 10)
        assert (await batcher.submit(2, 10, here=True)).result == 4
        assert (lane.batches, double.batches) == ([[1], [-1]], [[2]])
        await batcher.close()
        assert await serving is False

    run(scenario)


def test_while_a_lane_is_at_work_two_items_gather_for_the_others(run, monkeypatch) -> None:
    monkeypatch.setattr("app.lanes.GATHER_SECONDS", 60.0)

    async def scenario(batcher, double) -> None:
        lane, spare = Lane(), Lane()
        spare.may_answer.set()
        serving = [
            asyncio.create_task(batcher.serve(one, is_spare))
            for one, is_spare in ((lane, False), (spare, True))
        ]
        first = await waiting(batcher, 0)
        tasks = await waiting(batcher, 1)
        assert (lane.batches, spare.batches, batcher.queued) == ([[0]], [], 1)
        tasks += await waiting(batcher, 2)  # the spare lane before this process's
        assert [(await task).result for task in tasks] == [2, 4]
        assert (spare.batches, double.batches) == ([[1, 2]], [])
        tasks = await waiting(batcher, 3)
        lane.may_answer.set()
        assert [(await task).result for task in [*first, *tasks]] == [0, 6]
        assert (lane.batches, spare.batches) == ([[0], [3]], [[1, 2]])
        await batcher.close()
        assert await asyncio.gather(*serving) == [False, False]

    run(scenario)


def test_items_are_left_to_a_lane_at_work_for_a_while_only(run) -> None:
    async def scenario(batcher, double) -> None:
        lane = Lane()
        serving = asyncio.create_task(batcher.serve(lane))
        first = await waiting(batcher, 0)
        assert (await batcher.submit(1, 10)).result == 2
        assert (lane.batches, double.batches) == ([[0]], [[1]])
        lane.may_answer.set()
        assert (await first[0]).result == 0
        await batcher.close()
        assert await serving is False

    run(scenario)


def test_what_a_lane_that_closed_had_not_begun_is_answered_by_another(run) -> None:
    async def scenario(batcher, double) -> None:
        lane = Lane()
        lane.closes = True
        first = await hold(batcher, double)
        serving = asyncio.create_task(batcher.serve(lane))
        tasks = await waiting(batcher, 1, 2, 3)
        assert lane.batches == [[1, 2, 3]]
        tasks[2].cancel()
        lane.may_answer.set()
        assert await serving is True
        double.gate.set()
        assert [(await task).result for task in [first, *tasks[:2]]] == [0, 2, 4]
        assert double.batches == [[0], [1, 2]]

    run(scenario)


def test_what_a_closed_lane_had_in_work_comes_before_what_has_come_since(run) -> None:
    async def scenario(batcher, double) -> None:
        lane = Lane()
        lane.closes = True
        first = await hold(batcher, double)
        serving = asyncio.create_task(batcher.serve(lane))
        early = await waiting(batcher, 1, 2)
        late = await waiting(batcher, 3, 4, 5)
        lane.may_answer.set()
        assert await serving is True
        double.gate.set()
        await asyncio.gather(first, *early, *late)
        assert (lane.batches, double.batches) == ([[1, 2]], [[0], [1, 2, 3, 4], [5]])

    run(scenario)


def test_a_lane_that_closes_last_loses_nothing() -> None:
    async def main() -> None:
        double, lane = Doubler(), Lane()
        lane.closes = True
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(double, executor, max_batch=4, max_queue=6)
            first = await hold(batcher, double)
            serving = asyncio.create_task(batcher.serve(lane))
            (second,) = await waiting(batcher, 1)
            assert lane.batches == [[1]]
            closing = asyncio.create_task(batcher.close())
            double.gate.set()
            assert (await first).result == 0
            await asyncio.sleep(0.05)  # the lane of this process has ended
            lane.may_answer.set()
            assert (await second).result == 2
            await closing
            assert await serving is False

    asyncio.run(main())


def test_what_was_in_work_when_a_lane_closed_is_tried_alone_by_one_more_and_never_here(run) -> None:
    async def scenario(batcher, double) -> None:
        first = await hold(batcher, double)
        lanes = [Lane(begun=True) for _ in range(3)]
        servings = [asyncio.create_task(batcher.serve(lanes[0]))]
        tasks = await waiting(batcher, 1, -2, 3)
        for lane in lanes[1:]:
            servings.append(asyncio.create_task(batcher.serve(lane)))
            lane.may_answer.set()
        double.gate.set()
        await first
        tasks += await waiting(batcher, 4)
        lanes[0].may_answer.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[1], InternalError)
        assert [results[number].result for number in (0, 2, 3)] == [2, 6, 8]
        assert lanes[0].batches == [[1, -2, 3]]
        assert sorted(lanes[1].batches + lanes[2].batches) == [[-2], [1], [3], [4]]
        assert double.batches == [[0]]
        assert sorted([serving.done() for serving in servings]) == [False, True, True]

    run(scenario)


def test_what_was_in_work_when_the_only_lane_closed_waits_for_another(run, monkeypatch) -> None:
    monkeypatch.setattr("app.lanes.GATHER_SECONDS", 60.0)

    async def scenario(batcher, double) -> None:
        lanes = Lane(begun=True), Lane()
        lanes[0].closes = True
        for lane in lanes:
            lane.may_answer.set()
        serving = asyncio.create_task(batcher.serve(lanes[0]))
        early = await waiting(batcher, 1)
        assert await serving is True
        assert (await batcher.submit(2, 10)).result == 4  # which does not wait behind it
        assert (double.batches, batcher.queued) == ([[2]], 1)
        serving = asyncio.create_task(batcher.serve(lanes[1]))
        assert (await early[0]).result == 2
        assert (lanes[1].batches, double.batches) == ([[1]], [[2]])

    run(scenario)


def test_what_was_in_work_when_the_only_lane_closed_waits_no_longer_than_it_may(run) -> None:
    async def scenario(batcher, double) -> None:
        lane = Lane(begun=True)
        lane.closes = True
        lane.may_answer.set()
        serving = asyncio.create_task(batcher.serve(lane))
        (late,) = await waiting(batcher, 1, seconds=0.1)
        assert await serving is True
        with pytest.raises(DeadlineExceeded):
            await late
        assert (batcher.queued, double.batches) == (0, [])

    run(scenario)


def test_what_was_in_work_when_the_last_lane_closed_fails_when_the_batcher_closes(run) -> None:
    async def scenario(batcher, double) -> None:
        lane = Lane(begun=True)
        lane.closes = True
        serving = asyncio.create_task(batcher.serve(lane))
        tasks = await waiting(batcher, 1)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        lane.may_answer.set()
        await closing
        assert await serving is False
        with pytest.raises(InternalError, match="has ended"):
            await tasks[0]
        assert double.batches == []

    run(scenario)


def test_of_a_batch_that_failed_only_the_item_in_work_is_kept_from_this_process(run) -> None:
    """Its items are run one by one then."""

    async def scenario(batcher, double) -> None:
        batches: list[list[int]] = []

        async def lane(items: list[int]) -> list[int]:
            batches.append(items)
            if items == [2]:
                raise LaneClosed(begun=True)
            if len(items) > 1:
                raise ValueError("of the batch")
            return [2 * item for item in items]

        first = await hold(batcher, double)
        tasks = await waiting(batcher, 1, 2, 3)
        assert await batcher.serve(lane) is True
        double.gate.set()
        assert [(await task).result for task in (first, tasks[0], tasks[2])] == [0, 2, 6]
        assert (batches, double.batches) == ([[1, 2, 3], [1], [2]], [[0], [3]])
        await batcher.close()
        with pytest.raises(InternalError):
            await tasks[1]

    run(scenario)


def test_an_idle_lane_that_ends_is_closed_at_once(run) -> None:
    async def scenario(batcher, double) -> None:
        lane, ended = Lane(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(batcher.serve(lane, ended=ended))
        await asyncio.sleep(0.01)
        ended.set_result(None)
        assert await serving is True
        assert (await batcher.submit(1, 10)).result == 2
        assert (lane.batches, double.batches) == ([], [[1]])

    run(scenario)


def test_a_lane_that_ends_as_it_is_woken_leaves_the_item_to_another(run) -> None:
    async def scenario(batcher, double) -> None:
        lane, ended = Lane(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(batcher.serve(lane, ended=ended))
        await asyncio.sleep(0.01)
        task = asyncio.create_task(batcher.submit(1, 10))
        await asyncio.sleep(0)
        assert batcher.queued == 1  # and the lane has not taken it yet
        ended.set_result(None)
        assert (await task).result == 2
        assert await serving is True
        assert (lane.batches, double.batches) == ([], [[1]])

    run(scenario)


def test_of_idle_lanes_one_that_is_not_spare_takes_an_item(run, monkeypatch) -> None:
    monkeypatch.setattr("app.lanes.GATHER_SECONDS", 60.0)

    async def scenario(batcher, double) -> None:
        lane, spare = Lane(), Lane()
        servings = [asyncio.create_task(batcher.serve(lane))]
        servings.append(asyncio.create_task(batcher.serve(spare, True)))
        await asyncio.sleep(0.01)
        lane.may_answer.set()
        assert (await batcher.submit(1, 10)).result == 2
        assert (lane.batches, spare.batches, double.batches) == ([[1]], [], [])

    run(scenario)


def test_what_a_lane_that_closed_had_is_shared_by_all_that_are_idle(run) -> None:
    async def scenario(batcher, double) -> None:
        first = await hold(batcher, double)
        lanes = [Lane() for _ in range(3)]
        lanes[0].closes = True
        servings = [asyncio.create_task(batcher.serve(lanes[0]))]
        tasks = await waiting(batcher, 1, 2)
        assert lanes[0].batches == [[1, 2]]
        servings += [asyncio.create_task(batcher.serve(lane)) for lane in lanes[1:]]
        await asyncio.sleep(0.01)
        for lane in lanes:
            lane.may_answer.set()
        assert [(await task).result for task in tasks] == [2, 4]
        assert sorted(lanes[1].batches + lanes[2].batches) == [[1], [2]]
        double.gate.set()
        await first

    run(scenario)


def test_a_spare_lane_tries_what_another_has_closed_over(run, monkeypatch) -> None:
    monkeypatch.setattr("app.lanes.GATHER_SECONDS", 60.0)

    async def scenario(batcher, double) -> None:
        busy, closing, spare = Lane(), Lane(begun=True), Lane()
        servings = [asyncio.create_task(batcher.serve(busy))]
        others = await waiting(batcher, 1)
        servings.append(asyncio.create_task(batcher.serve(closing)))
        closing.closes = True
        (task,) = await waiting(batcher, 2)
        servings.append(asyncio.create_task(batcher.serve(spare, True)))
        await asyncio.sleep(0.01)
        spare.may_answer.set()
        closing.may_answer.set()
        assert (await task).result == 4
        assert (busy.batches, closing.batches, spare.batches) == ([[1]], [[2]], [[2]])
        busy.may_answer.set()
        await others[0]

    run(scenario)


def test_a_lane_that_comes_while_the_batcher_closes_is_given_nothing(run) -> None:
    """Its process is ended as soon as the batcher is closed."""

    async def scenario(batcher, double) -> None:
        first = await hold(batcher, double)
        tasks = await waiting(batcher, 1)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        late = Lane()
        assert await batcher.serve(late) is False
        double.gate.set()
        await closing
        assert [(await task).result for task in [first, *tasks]] == [0, 2]
        assert late.batches == []

    run(scenario)
