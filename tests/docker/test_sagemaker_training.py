"""The training image's entry point: what SageMaker says by files, as a command."""

import importlib.util
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("entry", ROOT / "docker/sagemaker_training.py")
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
command = _module.command


def job(ml: Path, hyperparameters: dict[str, str]) -> Path:
    config = ml / "input/config"
    config.mkdir(parents=True)
    (config / "inputdataconfig.json").write_text(json.dumps({"home": {}}))
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    return ml


def test_a_job_is_a_command_with_the_jobs_folders(tmp_path):
    ml = job(tmp_path, {"batch-size": "64", "mix": '"cutmix"', "pretrained": "true"})
    words, variables = command(["train"], ml)
    assert words[:4] == [sys.executable, "-m", "training", "train"]
    assert words[4:] == ["--batch-size=64", "--mix=cutmix", "--pretrained=true"]
    assert variables == {
        "SM_CHANNEL_HOME": f"{ml}/input/data/home",
        "SM_MODEL_DIR": f"{ml}/model",
        "SM_OUTPUT_DATA_DIR": f"{ml}/output/data",
        "SM_OUTPUT_FAILURE": f"{ml}/output/failure",
    }


def test_what_a_tuning_adds_for_others_is_no_flag(tmp_path):
    others = {
        "sagemaker_program": "training/train.py",
        "sagemaker_submit_directory": '"s3://shop/sourcedir.tar.gz"',
        "_tuning_objective_metric": "valid:accuracy",
    }
    words, _ = command(["train"], job(tmp_path, {**others, "learning-rate": "0.01"}))
    assert words[4:] == ["--learning-rate=0.01"]


def test_outside_of_sagemaker_it_is_the_command_itself(tmp_path):
    assert command(["train", "--epochs=1"], job(tmp_path, {}))[0][3:] == ["train", "--epochs=1"]
    assert command(["train"], tmp_path / "none") == (
        [sys.executable, "-m", "training", "train"],
        {},
    )
