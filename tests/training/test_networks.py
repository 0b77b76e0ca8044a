from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from app.card import BACKGROUNDS
from training.errors import PretrainedWeightsError
from training.garment_model import GarmentModel
from training.networks import ARCHITECTURES, Architecture, build_network, letterbox, normalise
from training.torchvision_cpu import torchvision

pytestmark = pytest.mark.usefixtures("real_network")


def image(height: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_network_gives_as_many_logits_as_asked_for(architecture: Architecture) -> None:
    network = build_network(architecture, 11).eval()

    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 11)


def test_resnet18_is_torchvisions_unchanged() -> None:
    names = {name: value.shape for name, value in build_network("resnet18", 10).named_parameters()}
    original = dict(torchvision.models.resnet18(num_classes=10).named_parameters())

    assert names == {name: value.shape for name, value in original.items()}


def test_letterbox_keeps_the_aspect_and_fills_with_the_borders_colour() -> None:
    photo = torch.full((3, 80, 40), 200, dtype=torch.uint8)
    photo[:, 20:60, 10:30] = 10  # a dark garment in the middle

    square = letterbox(photo, 112)

    assert square.shape == (3, 112, 112)
    assert (square[:, :, :28] == 200).all()
    assert (square[:, :, 84:] == 200).all()
    assert square[:, 56, 56].tolist() == [10, 10, 10]


def test_letterbox_leaves_what_fits_as_it_is() -> None:
    assert torch.equal(letterbox(image(112, 112), 112), image(112, 112))


def test_letterbox_does_not_alias() -> None:
    board = (torch.arange(448)[:, None] + torch.arange(448)) % 2 * 255
    square = letterbox(board.to(torch.uint8).expand(3, 448, 448), 112)

    assert square[:, 8:-8, 8:-8].float().std() < 2


@pytest.mark.parametrize("rejects", [False, True])
def test_scripted_and_frozen_gives_what_the_eager_model_gives(rejects: bool) -> None:
    torch.manual_seed(0)
    model = GarmentModel(
        build_network("resnet18", 10 + rejects), rejects, (1.7, 0.6, 1.1), (1.2, 1.3, 1.4)
    ).eval()
    scripted = torch.jit.freeze(
        torch.jit.script(model), preserved_attrs=["preprocess", "backgrounds", "explain", "seen"]
    )
    images = [image(28, 28), image(80, 60), image(1, 300), image(448, 250)]

    with torch.inference_mode():
        batch = model.preprocess(images)
        assert torch.equal(scripted.preprocess(images), batch)
        assert torch.equal(scripted.backgrounds(batch), model.backgrounds(batch))
        assert torch.equal(scripted.seen(batch), model.seen(batch))
        ids = torch.arange(4)
        torch.testing.assert_close(
            scripted.explain(batch, ids), model.explain(batch, ids), atol=1e-4, rtol=0
        )
        for ours, theirs in zip(model(images), scripted(images), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_probabilities_add_up_and_other_takes_from_the_garment() -> None:
    model = GarmentModel(torch.nn.Identity(), True, [2.0] * 3, [2.0] * 3)
    logits = torch.zeros(2, 11)
    logits[0, 3], logits[1, 10] = 8.0, 8.0

    probabilities, garment = model.calibrate(logits, torch.zeros(2, dtype=torch.int64))

    assert probabilities.shape == (2, 10)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2))
    assert probabilities[0].argmax() == 3
    assert garment[0] > 0.9
    assert garment[1] < 0.2


def test_a_higher_temperature_is_less_sure() -> None:
    logits = torch.randn(5, 10, generator=torch.Generator().manual_seed(0))
    model = GarmentModel(torch.nn.Identity(), temperatures=(0.5, 1.0, 2.0))
    sure, usual, unsure = (
        model.calibrate(logits, torch.full((5,), background))[0].amax(dim=1)
        for background in range(3)
    )

    assert (sure > usual).all()
    assert (usual > unsure).all()


@pytest.mark.parametrize(
    ("border", "garment", "background"),
    [(255, 20, "white"), (242, 250, "white"), (0, 200, "black"), (128, 255, "scene")],
)
def test_the_background_is_read_off_the_border(border: int, garment: int, background: str) -> None:
    photo = torch.full((3, 80, 60), border, dtype=torch.uint8)
    photo[:, 20:, 15:45] = garment  # it touches the lower edge, as worn trousers do
    model = GarmentModel(torch.nn.Identity())

    assert BACKGROUNDS[int(model.backgrounds(model.preprocess([photo]))[0])] == background


def test_a_coloured_wall_is_not_white() -> None:
    photo = torch.full((3, 60, 60), 250, dtype=torch.uint8)
    photo[2] = 100
    model = GarmentModel(torch.nn.Identity())

    assert BACKGROUNDS[int(model.backgrounds(model.preprocess([photo]))[0])] == "scene"


def test_what_the_network_sees_comes_back_as_pixels() -> None:
    photo = image(112, 112)
    model = GarmentModel(torch.nn.Identity())

    assert torch.equal(model.seen(model.preprocess([photo]))[0], photo)


def test_normalise_is_imagenets() -> None:
    grey = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)

    expected = torch.tensor([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])
    torch.testing.assert_close(normalise(grey)[0, :, 0, 0], expected)


def test_pretrained_weights_come_from_torchs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    imagenet = torchvision.models.resnet18(num_classes=1000)
    url = torchvision.models.ResNet18_Weights.DEFAULT.url
    file = tmp_path / "hub" / "checkpoints" / url.rsplit("/", 1)[1]
    file.parent.mkdir(parents=True)
    torch.save(imagenet.state_dict(), file)

    network = build_network("resnet18", 10, pretrained=True)

    ours, theirs = network.state_dict(), imagenet.state_dict()
    assert torch.equal(ours["layer4.1.conv2.weight"], theirs["layer4.1.conv2.weight"])
    assert ours["fc.weight"].shape == (10, 512)


def test_missing_pretrained_weights_say_where_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)

    with pytest.raises(PretrainedWeightsError, match=r"Put https://.*resnet18-.*\.pth into "):
        build_network("resnet18", 10, pretrained=True)
