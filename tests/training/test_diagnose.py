"""Each rule on runs that are broken in its way, and none on a healthy one."""

import copy
import gzip
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from training.__main__ import main
from training.diagnose import RULES, Diagnosis, Finding, TrainingStopped
from training.networks import build_network, normalise
from training.precision import is_fast_at_bfloat16
from training.rules import ADVICE, Epoch, loss_not_decreasing

CLASSES = 4
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")

Data = tuple[Tensor, Tensor]


def stripes(count: int, seed: int = 0, noise: float = 0.5) -> Data:
    """Images [N, 1, 8, 8] of four classes: one bright row or column pair each, and noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    images = torch.randn(count, 1, 8, 8, generator=generator) * noise
    for index, label in enumerate(labels.tolist()):
        start = 1 + 3 * (label // 2)
        rows, columns = slice(start, start + 2), slice(None)
        if label % 2:
            rows, columns = columns, rows
        images[index, 0, rows, columns] += 1
    return images, labels


def small_network(normalised: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 16), (16, 16)):
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
        nn.init.kaiming_normal_(layers[-1].weight)  # type: ignore[arg-type]
        if normalised:
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(256, CLASSES))


def scale_weights(network: nn.Module, factor: float) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= factor


FAST = is_fast_at_bfloat16(torch.device("cpu"))


class Run:
    """A plain training loop that calls a Diagnosis as `training/trainer.py` does."""

    def __init__(
        self,
        network: nn.Module,
        train: Data,
        valid: Data,
        learning_rate: float = 0.05,
        batch_size: int = 32,
        label_smoothing: float = 0.0,
        stop: bool = True,
        every: int = 10,
    ) -> None:
        self.network, self.train, self.valid = network, train, valid
        self.batch_size, self.label_smoothing = batch_size, label_smoothing
        self.findings: list[Finding] = []
        self.diagnosis = Diagnosis(network, self.findings.append, stop=stop, every=every)
        self.optimizer = torch.optim.SGD(
            network.parameters(), lr=learning_rate, momentum=0.9, nesterov=True
        )
        self.step = 0

    def __call__(self, epochs: int) -> "Run":
        try:
            for epoch in range(1, epochs + 1):
                self.epoch(epoch)
        finally:
            self.diagnosis.close()
        return self

    def epoch(self, epoch: int) -> None:
        self.network.train()
        images, labels = self.train
        loss_sum = right = seen = 0.0
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
        for part in order.split(self.batch_size):
            with torch.autocast("cpu", torch.bfloat16, enabled=FAST):  # as training chooses it
                logits = self.network(images[part]).float()
                loss = F.cross_entropy(logits, labels[part], label_smoothing=self.label_smoothing)
            self.optimizer.zero_grad()
            loss.backward()
            if self.step == 0:
                self.diagnosis.check_start(loss.item(), math.log(logits.shape[1]))
            self.diagnosis.check_step(self.step, loss.item())
            self.optimizer.step()
            self.step += 1
            loss_sum += loss.item() * len(part)
            right += (logits.argmax(1) == labels[part]).sum().item()
            seen += len(part)
        self.network.eval()
        with torch.inference_mode():
            logits = torch.cat([self.network(part) for part in self.valid[0].split(64)])
        valid_loss = F.cross_entropy(logits, self.valid[1]).item()
        accuracy = (logits.argmax(1) == self.valid[1]).float().mean().item()
        self.diagnosis.check_epoch(epoch, loss_sum / seen, valid_loss, right / seen, accuracy)

    @property
    def rules(self) -> set[str]:
        return {finding.rule for finding in self.findings}


@pytest.fixture(autouse=True)
def no_hooks_left():
    yield
    hooks = (torch_module._global_forward_hooks, torch_module._global_forward_pre_hooks)
    left = [len(each) for each in hooks]
    for each in hooks:
        each.clear()
    assert left == [0, 0]


@pytest.mark.parametrize("normalised", [False, True])
def test_a_healthy_run_has_no_findings(normalised):
    run = Run(small_network(normalised), stripes(256), stripes(128, seed=1), label_smoothing=0.1)
    run(epochs=16)
    assert run.findings == []


def broken_by_nan_input() -> Run:
    images, labels = stripes(256)
    images[100, 0, 3, 3] = math.nan
    return Run(small_network(), (images, labels), stripes(64))


def broken_by_a_huge_learning_rate() -> Run:
    return Run(small_network(), stripes(256), stripes(64), learning_rate=1e4)


def broken_by_zero_weights() -> Run:
    network = small_network()
    scale_weights(network, 0.0)
    return Run(network, stripes(256), stripes(64))


def broken_by_large_weights() -> Run:
    network = small_network()
    scale_weights(network, 100.0)
    return Run(network, stripes(256), stripes(64), stop=False)


def broken_by_large_weights_before_batch_normalisation() -> Run:
    network = small_network(normalised=True)
    scale_weights(network, 100.0)
    return Run(network, stripes(256), stripes(64), stop=False)


def broken_by_small_weights() -> Run:
    network = small_network()
    scale_weights(network, 1e-4)
    return Run(network, stripes(256), stripes(64))


def broken_by_negative_biases() -> Run:
    network = small_network()
    nn.init.constant_(network[2].bias, -10.0)  # type: ignore[arg-type]
    return Run(network, stripes(512), stripes(64), batch_size=128, every=2)


def broken_by_a_learning_rate_of_zero() -> Run:
    return Run(small_network(), stripes(512), stripes(64), learning_rate=0.0)


def broken_by_shuffled_labels() -> Run:
    images, labels = stripes(1024)
    labels = labels[torch.randperm(1024, generator=torch.Generator().manual_seed(1))]
    return Run(small_network(), (images, labels), stripes(64), learning_rate=0.01)


def broken_by_memorising_few_images() -> Run:
    train, valid = stripes(32, noise=2.0), stripes(256, seed=1, noise=2.0)
    return Run(small_network(), train, valid, learning_rate=0.01, batch_size=4)


BROKEN: list[tuple[Callable[[], Run], int, str]] = [
    (broken_by_nan_input, 1, "loss_not_finite"),
    (broken_by_a_huge_learning_rate, 2, "loss_not_finite"),
    (broken_by_zero_weights, 1, "poor_initialisation"),
    (broken_by_zero_weights, 1, "gradients_vanishing"),
    (broken_by_large_weights, 1, "poor_initialisation"),
    (broken_by_large_weights, 1, "gradients_exploding"),
    (broken_by_large_weights_before_batch_normalisation, 1, "poor_initialisation"),
    (broken_by_small_weights, 1, "poor_initialisation"),
    (broken_by_small_weights, 1, "gradients_vanishing"),
    (broken_by_negative_biases, 2, "dead_activations"),
    (broken_by_a_learning_rate_of_zero, 7, "loss_not_decreasing"),
    (broken_by_shuffled_labels, 4, "loss_not_decreasing"),
    (broken_by_memorising_few_images, 20, "overfitting"),
]


@pytest.mark.parametrize(
    ("make", "epochs", "rule"), BROKEN, ids=[f"{item[0].__name__}-{item[2]}" for item in BROKEN]
)
def test_a_broken_run_gets_its_finding(make, epochs, rule):
    run = make()
    if rule == "loss_not_finite":
        with pytest.raises(TrainingStopped, match="loss_not_finite") as stopped:
            run(epochs)
        assert stopped.value.finding == run.findings[-1]
        assert run.findings[-1].severity == "stop"
        assert run.findings[-1].step == run.step
    else:
        run(epochs)
    finding = next(finding for finding in run.findings if finding.rule == rule)
    assert finding.advice == ADVICE[rule]
    assert any(character.isdigit() for character in finding.message) or "nan" in finding.message


def test_one_cause_does_not_raise_every_rule():
    assert broken_by_a_learning_rate_of_zero()(7).rules == {"loss_not_decreasing"}
    assert broken_by_memorising_few_images()(20).rules == {"overfitting"}


def test_without_stop_the_run_goes_on_and_is_warned_once_an_epoch():
    run = broken_by_nan_input()
    run.diagnosis._stop = False
    run(epochs=2)
    found = [finding for finding in run.findings if finding.rule == "loss_not_finite"]
    assert [finding.severity for finding in found] == ["warning", "warning"]
    assert found[0].step < 8 <= found[1].step  # 256 / 32 steps an epoch


def test_gradients_that_are_not_finite_stop_the_run_though_the_loss_is():
    network = small_network()
    run = Run(network, stripes(64), stripes(64))
    network[0].weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(TrainingStopped, match=r"gradient of 0\.weight is not finite"):
        run(1)


@pytest.mark.parametrize(
    ("counts", "balanced", "found"),
    [
        ({"Bag": 150, "Coat": 100}, False, False),
        ({"Bag": 151, "Coat": 100}, False, True),
        ({"Bag": 5000, "Coat": 100}, True, False),
        ({"Bag": 10, "Coat": 0}, False, True),
    ],
)
def test_class_imbalance(counts, balanced, found):
    findings: list[Finding] = []
    diagnosis = Diagnosis(small_network(), findings.append)
    diagnosis.check_data(counts, balanced=balanced)
    diagnosis.close()
    assert [finding.rule for finding in findings] == ["class_imbalance"] * found
    if found:
        assert "'Coat'" in findings[0].message


def test_a_first_loss_that_is_too_good_is_found():
    findings: list[Finding] = []
    diagnosis = Diagnosis(small_network(), findings.append)
    diagnosis.check_start(0.01, math.log(10))
    diagnosis.close()
    assert findings[0].rule == "poor_initialisation"
    assert "give the answers away" in findings[0].message


@pytest.mark.parametrize("loss", [0.01, 50.0])
def test_trained_weights_are_not_judged_as_an_initialisation(loss):
    findings: list[Finding] = []
    diagnosis = Diagnosis(small_network(), findings.append, fresh=False)
    diagnosis.check_start(loss, math.log(10))
    diagnosis.close()
    assert findings == []


def test_a_resumed_run_goes_on_the_same(tmp_path):
    def start() -> Run:
        images, labels = stripes(288, noise=2.0)
        network = small_network()
        nn.init.constant_(network[2].bias, -10.0)  # type: ignore[arg-type]
        return Run(network, (images, labels), stripes(64, seed=1, noise=2.0), every=7)

    whole = start()(epochs=8)
    assert "dead_activations" in whole.rules

    first = start()
    for epoch in range(1, 4):
        first.epoch(epoch)
    state = {
        "diagnosis": first.diagnosis.state_dict,
        "network": first.network.state_dict(),
        "optimizer": first.optimizer.state_dict(),
    }
    first.diagnosis.close()
    torch.save(state, tmp_path / "state.pt")

    second = start()
    state = torch.load(tmp_path / "state.pt", weights_only=True)  # as training/checkpoint.py does
    second.network.load_state_dict(state["network"])
    second.optimizer.load_state_dict(state["optimizer"])
    second.diagnosis.load_state_dict(state["diagnosis"])
    second.step = first.step
    for epoch in range(4, 9):
        second.epoch(epoch)
    second.diagnosis.close()
    assert first.findings + second.findings == whole.findings


def test_a_copy_of_the_watched_network_has_no_hooks_and_can_be_scripted():
    """Averaged weights are a deep copy that lives on as the artifact."""
    network = small_network()
    run = Run(network, stripes(64), stripes(64))
    before = copy.deepcopy(network)
    run(epochs=1)
    for module in (*before.modules(), *copy.deepcopy(network).modules()):
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    torch.jit.script(network)


def test_blended_images_may_keep_the_training_loss_up_while_the_one_on_valid_falls():
    """Epochs 20 to 29 of a sound run with mixup and CutMix; then as if nothing was learnt."""
    losses = [
        (0.6273, 0.2510),
        (0.6328, 0.2468),
        (0.6625, 0.2482),
        (0.6427, 0.2466),
        (0.6439, 0.2460),
        (0.6378, 0.2444),
        (0.6838, 0.2455),
        (0.6660, 0.2471),
        (0.6173, 0.2449),
        (0.6380, 0.2437),
    ]
    sound = [
        Epoch(train, valid, 0.7, 0.93, steps=213 * place)
        for place, (train, valid) in enumerate(losses, start=20)
    ]
    assert loss_not_decreasing(sound, math.log(11)) is None
    stuck = [epoch._replace(valid_loss=losses[0][1]) for epoch in sound]
    assert "of the 5 before 0.64" in loss_not_decreasing(stuck, math.log(11))


def test_every_rule_is_described_and_has_advice():
    tested = {item[2] for item in BROKEN} | {"class_imbalance"}
    assert set(RULES) == set(ADVICE) == tested


def test_every_rule_is_told_by_the_help_of_train(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert lines[-len(RULES) :] == [[name, meaning] for name, meaning in RULES.items()]


@pytest.mark.slow
@pytest.mark.skipif(not FASHION_MNIST.is_dir(), reason="needs Fashion-MNIST's files")
@pytest.mark.parametrize("learning_rate", [0.01, 0.1])
def test_resnet18_on_fashion_mnist_has_no_findings(learning_rate):
    def read(kind: str, count: int) -> Data:
        with gzip.open(FASHION_MNIST / f"{kind}-images-idx3-ubyte.gz") as file:
            pixels = bytearray(file.read(16 + count * 784)[16:])
        with gzip.open(FASHION_MNIST / f"{kind}-labels-idx1-ubyte.gz") as file:
            labels = bytearray(file.read(8 + count)[8:])
        images = torch.frombuffer(pixels, dtype=torch.uint8).reshape(count, 1, 28, 28)
        images = F.interpolate(images.expand(-1, 3, -1, -1), (56, 56), mode="bilinear")
        return normalise(images), torch.frombuffer(labels, dtype=torch.uint8).long()

    torch.manual_seed(0)
    network = build_network("resnet18").to(memory_format=torch.channels_last)
    run = Run(
        network,
        read("train", 256),
        read("t10k", 128),
        learning_rate=learning_rate,
        label_smoothing=0.1,
        every=4,
    )
    run(epochs=4)
    assert run.findings == []
