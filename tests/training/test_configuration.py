"""`train --config FILE`: flags in a file, which the command line overrides."""

import argparse
import dataclasses
import json
from pathlib import Path

import pytest

from training import train
from training.__main__ import main
from training.configuration import with_config
from training.errors import TrainingError
from training.flags import add_arguments, from_arguments


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "best.json"
    path.write_text(
        json.dumps({"learning-rate": 0.05, "epochs": 7, "pretrained": True, "weights": "a=2"})
    )
    return path


def options(*argv):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return from_arguments(parser.parse_args(with_config(list(map(str, argv)))))


def test_a_run_takes_the_flags_of_the_file(config):
    chosen = options("--output", "x", "--config", config)

    assert (chosen.learning_rate, chosen.epochs, chosen.pretrained) == (0.05, 7, True)
    assert chosen.weights == "a=2"
    assert chosen.batch_size == 128


def test_the_command_line_wins_before_and_after(config):
    assert options("--epochs", 3, f"--config={config}", "--output", "x").epochs == 3
    assert options(f"--config={config}", "--output", "x", "--epochs", 3).epochs == 3
    assert with_config(["train", "--config", str(config)])[0] == "train"


def test_data_on_the_command_line_goes_before_that_of_the_file(config, monkeypatch):
    config.write_text('{"data": "old", "epochs": 7}')
    ours = [f"--config={config}", "--output", "x"]
    assert options(*ours).data == (Path("old"),)

    both = [*ours, "--data", "new", "--data=newer"]
    monkeypatch.setattr("sys.argv", ["training", "train", *both])
    chosen = options(*both)

    assert (chosen.data, chosen.epochs) == ((Path("new"), Path("newer")), 7)
    assert chosen.command == (
        "python -m training train --epochs=7 --output x --data new --data=newer"
    )


@pytest.mark.parametrize(
    "arguments",
    [["train", "--output", "x", "--conf", "c.json"], ["prepare", "a", "--output", "x", "--over"]],
)
def test_a_flag_has_to_be_written_out(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "unrecognized arguments: --" in capsys.readouterr().err


def test_a_flag_has_to_be_written_out_where_train_is_started_as_a_file(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train.py", "--output", "x", "--conf=c.json"])
    with pytest.raises(SystemExit):
        train.main()
    assert "unrecognized arguments: --conf=c.json" in capsys.readouterr().err


def test_the_command_that_the_card_names_needs_no_file_and_no_checkpoint(config, monkeypatch):
    ours = ["--output", "x", "--resume", "true", "--config", str(config), "--epochs", "3"]
    monkeypatch.setattr("sys.argv", ["training", "train", *ours, "--resume"])

    told = options(*ours, "--resume").command

    assert "--config" not in told
    assert "--resume" not in told
    words = told.removeprefix("python -m training train ").split()
    assert options(*words) == dataclasses.replace(options(*ours), resume=False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "cannot be read"),
        ("[1]", "expected JSON of flags"),
        ('{"epochs": [1, 2]}', r"epochs must be one value, not \[1, 2\]"),
        ('{"epochs": 1, "config": "other.json"}', "cannot name another"),
    ],
)
def test_a_file_that_is_none_is_told(config, text, problem):
    config.write_text(text)
    with pytest.raises(TrainingError, match=problem):
        with_config(["--config", str(config)])


@pytest.mark.parametrize("arguments", [["--config"], ["--config="]])
def test_no_file_is_told(arguments):
    with pytest.raises(TrainingError, match="--config: name the file, JSON of flags"):
        with_config(arguments)


def test_a_missing_file_is_told_in_a_line(tmp_path, capsys):
    assert main(["train", "--output", "x", "--config", str(tmp_path / "none.json")]) == 2
    assert "none.json: cannot be read" in capsys.readouterr().err
