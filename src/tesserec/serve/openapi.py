"""What the routes take and give, for people and for programs that make clients."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from tesserec import __version__
from tesserec.serve.asked import EXAMPLES, Asked
from tesserec.serve.keys import Keys
from tesserec.serve.limits import Limits
from tesserec.serve.problems import MEDIA, TITLES

REF = "#/components/schemas/{model}"

PROBLEM = {
    "type": "object",
    "description": "Trouble, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong."},
        "cure": {"type": "string", "description": "What to do about it."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "request_id": {"type": "string"},
    },
}


def taking(body: type[Asked]) -> dict[str, Any]:
    """The body of a route, with examples."""
    examples = {name: {"value": value} for name, value in EXAMPLES[body].items()}
    schema = {"$ref": REF.format(model=body.__name__)}
    content = {"application/json": {"schema": schema, "examples": examples}}
    return {"requestBody": {"required": True, "content": content}}


def giving(example: Mapping[str, Any], *problems: int) -> dict[int | str, dict[str, Any]]:
    """The answer of a route by an example, and the problems it may answer with instead."""
    content = {"application/json": {"schema": schema_of(example), "example": example}}
    answers: dict[int | str, dict[str, Any]] = {200: {"description": "Done.", "content": content}}
    for status in problems:
        trouble = {MEDIA: {"schema": {"$ref": REF.format(model="Problem")}}}
        answers[status] = {"description": TITLES[status], "content": trouble}
    return answers


def schema_of(example: Any) -> dict[str, Any]:
    """The types of an example. Anything may be left out, and texts and figures be null."""
    match example:
        case dict():
            inside = {name: schema_of(one) for name, one in example.items()}
            return {"type": "object", "properties": inside}
        case list():
            return {"type": "array", "items": schema_of(example[0]) if example else {}}
        case bool():
            return {"type": "boolean"}
        case int() | float():
            return {"type": ["number", "null"]}
        case None:
            return {}
        case _:
            return {"type": ["string", "null"]}


def describe(app: FastAPI, limits: Limits, keys: Keys) -> dict[str, Any]:
    """The OpenAPI description of an application with these limits."""
    about = "Recommendations of one trained model. Ids are your own, as text or integers."
    whole = get_openapi(title="tesserec", version=__version__, description=about, routes=app.routes)
    both = [(model, "validation") for model in EXAMPLES]
    _, found = models_json_schema(both, ref_template=REF)  # type: ignore[arg-type]
    schemas = found["$defs"]
    for model in schemas.values():
        for name, field in model["properties"].items():
            _limit(name, field, limits)
    components = whole.setdefault("components", {})
    components["schemas"] = {**schemas, "Problem": PROBLEM}
    if keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        whole["security"] = [{"key": []}]
    return whole


def _limit(name: str, field: dict[str, Any], limits: Limits) -> None:
    """Write the limit of a field into its description."""
    most = getattr(limits, name, None)
    for one in [field, *field.get("anyOf", ())]:
        match one.get("type"):
            case "integer" if name == "k":
                one["maximum"] = most
            case "array":
                one["maxItems"] = most
            case "string" if name == "where":
                one["maxLength"] = most
