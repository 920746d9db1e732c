"""Promise 12: requests made from the OpenAPI description, right and wrong, and no answer of 5xx.

The application runs in this process. Besides, every answer has to be what the description says: its
status, its media type, its form.
"""

import argparse
from collections import Counter
from contextlib import ExitStack, suppress
from io import StringIO
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.failures import FailureGroup
from schemathesis.python import asgi

from benchmarks.reliability.common import finish, fitted, workplace

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    with workplace() as folder, ExitStack() as stack:
        from tesserec.serve.app import application
        from tesserec.serve.log import Log
        from tesserec.serve.models import Models
        from tesserec.serve.running import keeper_of
        from tesserec.serve.service import Service

        keeper = keeper_of(str(folder / "store.sqlite"))
        log = Log(StringIO())
        service = Service(Models(fitted(folder, 100, 50), None, keeper), keeper, log=log)
        app = application(service)
        # One client, so that the application starts and ends once.
        client = stack.enter_context(asgi.get_client(app))
        counts, failures = asked(app, client, said.cases, said.seed)
        stack.close()
        errors = log.stream.getvalue().count('"event": "error"')  # type: ignore[attr-defined]
    total = sum(counts.values())
    finish(
        {
            "holds": not failures and not errors and total >= said.cases,
            "cases": total,
            "statuses": {str(status): counts[status] for status in sorted(counts)},
            "failures": failures[:5],
            "errors": errors,
        }
    )


def asked(app: Any, client: Any, cases: int, first: int) -> tuple[Counter[int], list[str]]:
    """How often each status was answered, and what was wrong."""
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.app = app
    operations = [found.ok() for found in schema.get_all_operations()]
    counts: Counter[int] = Counter()
    failures: list[str] = []
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    ways = [(operation, mode) for operation in operations for mode in modes]
    each = -(-cases // len(ways))
    while counts.total() < cases:
        for operation, mode in ways:
            _fuzz(client, operation, mode, each, first, counts, failures)
        first += 1  # some can be asked in few ways: the others are asked more
    return counts, failures


def _fuzz(
    client: Any,
    operation: Any,
    mode: GenerationMode,
    cases: int,
    first: int,
    counts: Counter[int],
    failures: list[str],
) -> None:
    """Ask one operation so often, or as often as there are ways to ask it."""

    @seed(first)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        response = case.call(session=client)
        counts[response.status_code] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            told = "; ".join(str(failure) for failure in group.exceptions)
            failures.append(f"{operation.label} {mode.value}: {told}")

    with suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
        one()


if __name__ == "__main__":
    main()
