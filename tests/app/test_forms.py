"""Photos in forms, of clients that write these in their own ways."""

import httpx
import pytest

from tests.app.conftest import encode, error_of, photo


def send_form(
    client: httpx.Client, *parts: tuple[bytes, bytes], path: str = "/predict/batch"
) -> httpx.Response:
    """Each part is what follows `form-data; ` in its head, and its content."""
    start = b"--x\r\nContent-Disposition: form-data; "
    content = b"".join(start + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts)
    content_type = {"content-type": "multipart/form-data; boundary=x"}
    return client.post(path, content=content + b"--x--\r\n", headers=content_type)


def send_as(client: httpx.Client, filename: bytes) -> httpx.Response:
    """A photo in a batch, with the parameter of its Content-Disposition as given."""
    return send_form(client, (b'name="files"; ' + filename, encode(photo(), "JPEG")))


def test_wrong_forms(client: httpx.Client) -> None:
    jpeg = encode(photo(), "JPEG")
    other = client.post("/predict", files={"image": ("a.jpg", jpeg)})
    assert error_of(other) == (400, "missing_file")
    assert "`image`" in other.json()["detail"]
    path, none = (None, "a.jpg"), (None, "")
    for text, said in ((path, "The field `file` holds text"), (none, "No file was chosen for the")):
        refused = client.post("/predict", files={"file": text})
        assert error_of(refused) == (400, "missing_file")
        assert refused.json()["detail"].startswith(said)
        assert "-F file=@" in refused.json()["detail"]
    # Where the @ was forgotten for one, it shall not go missing in silence.
    mixed = client.post("/predict/batch", files=[("files", ("a", jpeg)), ("files", path)])
    assert error_of(mixed) == (400, "missing_file")
    two = client.post("/predict", files=[("file", ("a", jpeg)), ("file", ("b", jpeg))])
    assert error_of(two) == (413, "too_many_images")


def test_files_in_other_fields_do_not_go_missing_in_silence(client: httpx.Client) -> None:
    jpeg = encode(photo(), "JPEG")
    right, wrong = b'name="files"; filename="a.jpg"', b'name="images"; filename="b.jpg"'
    for parts in (
        [(wrong, jpeg)],
        [(right, jpeg), (wrong, jpeg)],
        [(wrong, b""), (right, jpeg)],
        [(right, jpeg), (b'name="images"; filename=""', jpeg)],
        [(right, jpeg), (b"name=images; filename*=utf-8''b.jpg", jpeg)],
        [(b'name="files"', b"a.jpg"), (wrong, jpeg)],
    ):
        refused = send_form(client, *parts)
        assert error_of(refused) == (400, "missing_file")
        said = "Files are read from the field `files`, and some came in `images`; with curl: -F fil"
        assert refused.json()["detail"].startswith(said)
    thumbnail = (b'name="thumbnail"; filename="b.jpg"', jpeg)
    refused = send_form(client, (b'name="file"; filename="a"', jpeg), thumbnail, path="/predict")
    assert error_of(refused) == (400, "missing_file")
    assert "`file`, and some came in `thumbnail`" in refused.json()["detail"]


def test_what_is_no_photo_may_be_in_other_fields(client: httpx.Client) -> None:
    """A text, a row without a file, and one as browsers send it, of a form with two of them."""
    none = b'filename=""\r\nContent-Type: application/octet-stream'
    photos = send_form(
        client,
        (b'name="files"; filename="a.jpg"', encode(photo(), "JPEG")),
        (b'name="comment"', b"a text"),
        (b'name="images"', b""),
        (b'name="images"; ' + none, b""),
        (b'name="files"; ' + none, b""),
    )
    assert [item["filename"] for item in photos.json()["items"]] == ["a.jpg"]


@pytest.mark.parametrize("kind", [b"image/png", b"Image/JPEG; q=1", b"application/octet-stream"])
def test_a_photo_may_have_no_file_name(client: httpx.Client, kind: bytes) -> None:
    """RFC 7578, 4.2 only asks for it; Spring sends bytes without."""
    nameless = b'name="%s"\r\nContent-Type: ' + kind
    jpeg = encode(photo(), "JPEG")
    assert send_form(client, (nameless % b"file", jpeg), path="/predict").status_code == 200
    (item,) = send_form(client, (nameless % b"files", jpeg)).json()["items"]
    assert (item["filename"], item["error"]) == (None, None)
    assert error_of(send_form(client, (nameless % b"images", jpeg))) == (400, "missing_file")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"anything"),
        ("multipart/form-data; boundary=x", b"no boundary here"),
        ("multipart/form-data; boundary=x", b""),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nbroken off',
        ),
    ],
)
def test_malformed_forms(client: httpx.Client, content_type: str, body: bytes) -> None:
    response = client.post("/predict", content=body, headers={"content-type": content_type})
    assert error_of(response) == (400, "malformed_multipart")
    assert response.json()["detail"].startswith("This is no whole form: ")


@pytest.mark.parametrize(
    ("filename", "read"),
    [
        ('filename="Grüße.jpg"'.encode(), "Grüße.jpg"),
        ('filename="Grüße.jpg"'.encode("latin-1"), "Grüße.jpg"),
        (b"filename*=utf-8''Gr%C3%BC%C3%9Fe.jpg", "Grüße.jpg"),
        (b"filename*=ISO-8859-1''Gr%FC%DFe.jpg", "Grüße.jpg"),
        (b"filename*=UTF-8''%FC.jpg", "\ufffd.jpg"),
        (b"filename*=Gr%FC%DFe.jpg", "Grüße.jpg"),
        (b"filename*0*=utf-8''Gr%C3%BC; filename*1*=%C3%9Fe.jpg", "Grüße.jpg"),
        (b'filename*0="a "; filename*1="b.jpg"', "a b.jpg"),
        (
            b"filename=\"=?utf-8?B?R3LDvMOfZS5qcGc=?=\"; filename*=utf-8''Gr%C3%BC%C3%9Fe.jpg",
            "Grüße.jpg",
        ),
        (b"FileName*=utf-8''Gr%C3%BC%C3%9Fe.jpg; FileName=Gru.jpg", "Grüße.jpg"),
        ('filename="filename*=ü.jpg"'.encode(), "filename*=ü.jpg"),
    ],
    ids=[
        "utf-8",
        "latin-1",
        "rfc2231",
        "rfc2231 latin-1",
        "wrong",
        "no charset",
        "parts",
        "text",
        "dotnet",
        "both",
        "neither",
    ],
)
def test_file_names_of_older_clients_are_read(
    client: httpx.Client, filename: bytes, read: str
) -> None:
    item = send_as(client, filename).json()["items"][0]
    assert (item["filename"], item["error"]) == (read, None)


@pytest.mark.parametrize(
    ("filename", "read"),
    [
        (b"filename*=unicode_escape''%5Cud800.jpg", r"\ud800.jpg"),
        (b"filename*=raw_unicode_escape''%5Cudfff", r"\udfff"),
        (b"filename*=utf-7''+2AA-", "+2AA-"),
        (b"filename*=idna''a%ff..jpg", "aÿ..jpg"),
        (b"filename*=undefined''a", "a"),
    ],
)
def test_no_charset_that_a_file_name_asks_for_breaks_the_answer(
    client: httpx.Client, filename: bytes, read: str
) -> None:
    item = send_as(client, filename).json()["items"][0]
    assert (item["filename"], item["error"]) == (read, None)


def test_a_file_name_both_whole_and_in_parts_is_none(client: httpx.Client) -> None:
    response = send_as(client, b"filename*=utf-8''a; filename*0=b")
    assert error_of(response) == (400, "missing_file")


def test_a_form_of_very_many_parts_is_left_off(client: httpx.Client) -> None:
    text, file = (b'name="comment"', b""), (b'name="files"; filename="a"', encode(photo(), "PNG"))
    response = send_form(client, *[text] * 2_000, file)
    assert error_of(response) == (413, "too_many_images")
    assert "2,000 parts" in response.json()["detail"]
    assert len(send_form(client, *[text] * 1_999, file).json()["items"]) == 1


@pytest.mark.parametrize(("path", "field"), [("/predict", "file"), ("/predict/batch", "files")])
def test_a_row_without_a_file_is_left_aside(client: httpx.Client, path: str, field: str) -> None:
    """As Swagger UI sends it."""
    file, nothing = (field, ("a.jpg", encode(photo(), "JPEG"))), (field, (None, ""))
    response = client.post(path, files=[nothing, file, nothing])
    assert response.status_code == 200
    assert len(response.json().get("items", "1")) == 1
