"""Whatever the API's own description allows, and much that it does not: no request brings the server down."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.web.conftest import Serve

pytestmark = [pytest.mark.timeout(600)]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
FEW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
known: dict[str, str] = {}


@pytest.fixture(scope="module")
def api(demo: Path, serve: Serve) -> schemathesis.BaseSchema:
    """A real server of the demo run, as it describes itself."""
    base = serve(demo)
    run = httpx.get(f"{base}/api/v1/run").json()
    known["/api/v1/subgenre"] = known["/api/v1/subgenre/halves"] = run["subgenres"][0]["id"]
    known["film"] = httpx.get(f"{base}/api/v1/points").json()["id"][0]
    return schemathesis.openapi.from_url(f"{base}/api/v1/openapi.json")


@pytest.mark.parametrize("mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE])
def test_no_request_brings_it_down(
    api: schemathesis.BaseSchema, subtests: pytest.Subtests, mode: schemathesis.GenerationMode
) -> None:
    n = 0
    for found in api.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        n += 1

        @FEW
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            wild = case.query.get("id")
            if isinstance(wild, str) and len(wild) % 2:  # every second time of a film or a sub-genre that there is
                case.query["id"] = known.get(case.path, known["film"])
            case.call_and_validate(checks=CHECKS, timeout=60)

        with subtests.test(operation.label), suppress(Unsatisfiable):  # nothing about it can be wrong
            ask()
    assert n >= 20
