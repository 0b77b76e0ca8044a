"""A request against botocore's own model of the service, stricter than botocore itself does it.

botocore looks at names, types, what is required and the least lengths; AWS also refuses what is too
long, what matches no pattern and what is no value of an enumeration, and so does this.
"""

import re
from functools import cache

import botocore.session
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator


def check_request(service: str, operation: str, parameters: dict) -> None:
    """Fails with everything that AWS would refuse by its model."""
    shape = _model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), report.generate_report()
    problems = list(_problems(parameters, shape, operation))
    assert problems == []


@cache
def _model(service: str) -> ServiceModel:
    """SageMaker's takes a while to read."""
    return botocore.session.get_session().get_service_model(service)


def _problems(value: object, shape: Shape, where: str):
    limits = shape.metadata
    if shape.type_name == "structure":
        for name, inner in value.items():
            yield from _problems(inner, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for index, inner in enumerate(value):
            yield from _problems(inner, shape.member, f"{where}[{index}]")
    elif shape.type_name == "map":
        for key, inner in value.items():
            yield from _problems(key, shape.key, f"{where} key")
            yield from _problems(inner, shape.value, f"{where}[{key}]")
    elif shape.type_name == "string":
        if "pattern" in limits and not re.fullmatch(_python(limits["pattern"]), value):
            yield f"{where}: {value!r} does not match {limits['pattern']}"
        if "enum" in limits and value not in limits["enum"]:
            yield f"{where}: {value!r} is none of {limits['enum']}"
    size = value if isinstance(value, int | float) else len(value)
    if "max" in limits and size > limits["max"]:
        yield f"{where}: {size} is above {limits['max']}"


def _python(pattern: str) -> str:
    """AWS's patterns are Java's: classes by Unicode's names, and characters of UTF-16."""
    for java, python in (
        ("\\p{L}", "\\w"),
        ("\\p{Z}", "\\s"),
        ("\\p{N}", "\\d"),
        ("\\p{Print}", "[ -~]"),
        ("\\p{ASCII}", "[\\x00-\\x7f]"),
        ("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\U00010000-\\U0010FFFF"),
    ):
        pattern = pattern.replace(java, python)
    return pattern
