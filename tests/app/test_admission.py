"""All the room there is can be taken, and no more."""

import pytest

from app.admission import Admission
from app.errors import Overloaded


def test_bytes_up_to_the_last() -> None:
    room = Admission(max_images=1, max_bytes=100)
    with room.receive() as first, room.receive() as second:
        first.take(60)
        second.check(40)
        with pytest.raises(Overloaded, match=r"60 bytes .* at most 100; .* for 41 more"):
            second.check(41)
        second.take(40)
        with pytest.raises(Overloaded):
            first.take(1)
        assert (room.bytes, first.bytes, second.bytes) == (100, 60, 40)
    assert room.bytes == 0


def test_images_up_to_the_last() -> None:
    room = Admission(max_images=3, max_bytes=100)
    with room.admit(2):
        with pytest.raises(Overloaded, match=r"2 images .* at most 3; .* for 2 more"):
            room.admit(2).__enter__()
        with room.receive(), room.admit(1):
            assert room.images == 3
            with pytest.raises(Overloaded):
                room.receive().__enter__()
        assert room.images == 2
    assert room.images == 0
