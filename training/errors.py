"""What a user of the commands can put right; each is told in a line, without a traceback.

TrainingError
├── DataError                  the data is missing, incomplete or not what it should be
├── CheckpointError            the checkpoint cannot be read, or belongs to another run
├── PretrainedWeightsError     torchvision's weights are neither cached nor to be downloaded
├── ParityError                the exported model does not answer as the trained one does
├── PublishError               the release was not published, or not wholly
│   ├── ExistsError            the file was there already
│   └── ChangedError           the file is no longer the one that was read
└── CloudError                 AWS refused, or cannot be reached
"""

from __future__ import annotations


class TrainingError(Exception):
    """The message says what is wrong and what to do."""


class DataError(TrainingError):
    """The data is missing, incomplete or not what it should be."""


class CheckpointError(TrainingError):
    """The checkpoint cannot be read, or belongs to a run with other hyperparameters."""


class PretrainedWeightsError(TrainingError):
    """torchvision's ImageNet weights are neither cached nor to be downloaded."""


class ParityError(TrainingError):
    """The exported model does not answer as the trained one does."""


class PublishError(TrainingError):
    """The release was not published, or not wholly."""


class ExistsError(PublishError):
    """The file was there already; it is left as it is."""


class ChangedError(PublishError):
    """The file is no longer the one that was read."""


class CloudError(TrainingError):
    """AWS refused, or cannot be reached."""
