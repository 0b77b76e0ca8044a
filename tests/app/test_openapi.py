"""The OpenAPI document is part of the contract: a change to it has to be seen in a review.

To renew the committed one:

    .venv/bin/python tests/app/test_openapi.py
"""

import json
from pathlib import Path
from typing import Any

from app.errors import all_errors
from app.main import create_app
from app.settings import Settings

COMMITTED = Path(__file__).with_name("openapi.json")


def live() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_it_is_the_committed_one() -> None:
    assert live() == json.loads(COMMITTED.read_text()), __doc__


def test_both_operations_take_a_form_or_a_raw_image() -> None:
    paths = live()["paths"]
    single, batch = (
        paths[path]["post"]["requestBody"]["content"] for path in ("/predict", "/predict/batch")
    )
    file = single["multipart/form-data"]["schema"]["properties"]["file"]
    assert file == {"type": "string", "format": "binary"} == single["image/*"]["schema"]
    assert batch["multipart/form-data"]["schema"]["properties"]["files"]["type"] == "array"
    assert batch["image/*"]["schema"] == file
    empty = paths["/predict/batch"]["post"]["responses"]["400"]["content"]
    assert "empty_body" in empty["application/problem+json"]["examples"]


def test_explain_is_described_and_not_offered_for_a_batch() -> None:
    paths = live()["paths"]
    single, batch = (paths[path]["post"]["parameters"] for path in ("/predict", "/predict/batch"))
    [explain] = [parameter for parameter in single if parameter["name"] == "explain"]
    assert explain["schema"]["type"] == "boolean"
    assert explain["schema"]["default"] is False
    assert "30 more images" in explain["description"]
    assert [parameter["name"] for parameter in batch] == ["top_k"]


def test_head_is_no_operation_of_its_own() -> None:
    methods = [list(operations) for operations in live()["paths"].values()]
    assert methods
    assert all(each in (["get"], ["post"]) for each in methods)


def test_every_error_of_an_operation_has_its_example() -> None:
    responses = live()["paths"]["/predict"]["post"]["responses"]
    found = {
        int(status): response["content"]["application/problem+json"]["examples"]
        for status, response in responses.items()
        if int(status) >= 400
    }
    assert list(found[413]) == [
        "body_too_large",
        "too_many_images",
        "image_too_large",
        "endpoint_too_large",
    ]
    title = {error.code: error.title for error in all_errors()}
    for status, examples in found.items():
        for code, example in examples.items():
            problem = example["value"]
            assert (problem["status"], problem["code"]) == (status, code)
            assert problem["type"] == f"urn:garment-classifier:{code}"
            assert problem["title"] == title[code]
            assert problem["detail"]
            assert len(problem["request_id"]) == 32


def test_every_error_of_an_operation_is_a_problem() -> None:
    document = live()
    codes = " ".join(error.code for error in all_errors())
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"]
                    assert response["description"].split("`")[1] in codes
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


if __name__ == "__main__":
    COMMITTED.write_text(json.dumps(live(), indent=1) + "\n")
    print(f"wrote {COMMITTED}")
