"""What is accepted and not yet answered, bounded in images and in the bytes of their bodies.

A body waits in memory until its photos are decoded. Many slow uploads of large photos would take
more than a container has, and the kernel would end the process with all that it works on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.errors import Overloaded


@dataclass(slots=True)
class Admission:
    """The room that is taken, and all there is."""

    max_images: int
    max_bytes: int
    images: int = 0
    bytes: int = 0

    @contextmanager
    def receive(self) -> Iterator[Received]:
        """Hold room for the bytes of one body, which are taken as they arrive.

        Not for its images, which are admitted once they are there: slow uploads would shut out
        those that could be answered meanwhile.

        Raises:
            Overloaded: there is no room for an image, so that it need not be sent.
        """
        self._check_images(1)
        received = Received(self)
        try:
            yield received
        finally:
            self.bytes -= received.bytes

    @contextmanager
    def admit(self, images: int) -> Iterator[None]:
        """Hold room for `images`.

        Raises:
            Overloaded: there is not enough.
        """
        self._check_images(images)
        self.images += images
        try:
            yield
        finally:
            self.images -= images

    def _check_images(self, count: int) -> None:
        if self.images + count > self.max_images:
            raise Overloaded(
                f"{self.images} images are in work, of at most {self.max_images}; there is no room "
                f"for {count} more. Try again."
            )


@dataclass(slots=True)
class Received:
    """The room of one body."""

    room: Admission
    bytes: int = 0

    def take(self, count: int) -> None:
        """Hold room for so many bytes more.

        Raises:
            Overloaded: there is not enough.
        """
        self.check(count)
        self.room.bytes += count
        self.bytes += count

    def check(self, count: int) -> None:
        """Only look whether there is room for so many bytes more.

        Raises:
            Overloaded: there is not enough.
        """
        room = self.room
        if room.bytes + count > room.max_bytes:
            raise Overloaded(
                f"Uploads of {room.bytes:,} bytes are in work, of at most {room.max_bytes:,}; "
                f"there is no room for {count:,} more. Try again."
            )
