from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import (
    MIB,
    Settings,
    SettingsError,
    describe_settings,
    endpoint_defaults,
    load_settings,
    unknown_variables,
)


def test_defaults_fit_a_first_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/cache")
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert Path(settings.model).parts[-3:] == ("app", "bundled", "model.pt")
    assert settings.cache == Path("/some/cache/garment-classifier")
    assert settings.max_body_bytes == 10 * 1024 * 1024
    assert settings.max_image_pixels >= 8064 * 6048  # a phone's 48 MP photo


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GARMENT_PORT", "9000")
    monkeypatch.setenv("GARMENT_MODEL", "s3://bucket/latest.json")
    monkeypatch.setenv("GARMENT_HOST", "")  # as compose files leave it
    settings = load_settings()
    assert (settings.port, settings.model) == (9000, "s3://bucket/latest.json")
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "abc"),
        ("PORT", "65536"),
        ("PRECISION", "int4"),
        ("MAX_BODY_BYTES", "0"),
        ("DEADLINE_SECONDS", "0"),
        ("RELOAD_SECONDS", "-1"),
        ("RELOAD_SECONDS", "0.5"),
        ("LOG_FORMAT", "xml"),
        ("MODEL", "~nobody-of-this-name/model.pt"),
        ("CACHE", "~nobody-of-this-name/cache"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"GARMENT_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"GARMENT_{name}={value}: ")
    assert "\n" not in str(caught.value)


def test_a_user_without_a_home_is_told_of_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)  # as of a container's user that has no entry
    assert "GARMENT_CACHE=~/.cache/garment-classifier" in describe_settings()
    with pytest.raises(SettingsError, match=r"^GARMENT_CACHE=~/\.cache/.*: the home .* not known"):
        load_settings()


def test_the_variable_that_gave_an_endpoints_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = endpoint_defaults({"SAGEMAKER_BIND_TO_PORT": "abc"})
    with pytest.raises(SettingsError, match=r"^SAGEMAKER_BIND_TO_PORT=abc: "):
        load_settings(defaults)
    monkeypatch.setenv("GARMENT_PORT", "xyz")
    with pytest.raises(SettingsError, match=r"^GARMENT_PORT=xyz: "):
        load_settings(defaults)


@pytest.mark.parametrize(
    ("room", "value", "batch"),
    [
        ("MAX_IMAGES_IN_WORK", "3", "GARMENT_MAX_BATCH_IMAGES"),
        ("MAX_BYTES_IN_WORK", "1048576", "GARMENT_MAX_BATCH_BODY_BYTES"),
    ],
)
def test_a_batch_that_could_never_be_accepted_is_refused(
    monkeypatch: pytest.MonkeyPatch, room: str, value: str, batch: str
) -> None:
    monkeypatch.setenv(f"GARMENT_{room}", value)
    with pytest.raises(SettingsError, match=batch):
        load_settings()


def test_a_photo_that_could_never_be_accepted_is_refused() -> None:
    with pytest.raises(ValidationError, match="below GARMENT_MAX_BODY_BYTES"):
        Settings(max_body_bytes=2 * MIB, max_batch_body_bytes=MIB, max_bytes_in_work=MIB)


def test_every_setting_is_described_with_its_default() -> None:
    text = describe_settings()
    for name, field in Settings.model_fields.items():
        assert field.description
        assert field.description in text
        default = field.get_default(call_default_factory=True)
        assert f"GARMENT_{name.upper()}={default}" in text
    assert "GARMENT_PORT=8000  (at least 0, at most 65535)" in text


def test_unknown_variables_are_found() -> None:
    given = {"GARMENT_PROT": "1", "GARMENT_PORT": "1", "OTHER": "1"}
    assert unknown_variables(given) == ["GARMENT_PROT"]
