"""The OpenAPI document is true: whatever is sent, what comes back is declared there."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import version
from typing import Any

import hypothesis
import hypothesis.errors
import pytest
import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.entrypoints.rest.kit import Running

# Whether a key is somebody's cannot be said in a schema: the name is printable, `email` or `principals` is given.
BEYOND_SCHEMAS = {"/api/keys", "/api/visibility"}


def document(running: Running) -> dict[str, Any]:
    with running.client() as client:
        found: dict[str, Any] = client.get("/api/openapi.json").json()
        return found


def check_all(running: Running, *, examples: int, seed: int) -> int:
    """Every operation with `examples` random requests, right and wrong ones; returns how many were sent."""
    schema = schemathesis.openapi.from_dict(document(running))
    schema.config.generation.update(modes=list(GenerationMode))
    # Besides those that it knows by itself: too large.
    rejection = schema.config.checks.negative_data_rejection
    rejection.expected_statuses = [*rejection.expected_statuses, "413"]
    sent = 0
    with running.client() as client:
        for result in schema.get_all_operations():
            operation: Any = result.ok()  # type: ignore[union-attr]  # the document is ours and valid
            excluded = [positive_data_acceptance] if operation.path in BEYOND_SCHEMAS else []

            def check(case: Any, excluded: list[Any] = excluded) -> None:
                nonlocal sent
                sent += 1
                case.call_and_validate(base_url=running.url, excluded_checks=excluded)

            check_operation(operation, check, examples, seed)
        assert client.get("/health").status_code == 200
    return sent


def check_operation(operation: Any, check: Any, examples: int, seed: int) -> None:
    for mode in GenerationMode:

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def test(case: Any) -> None:
            check(case)

        # An operation without parameters cannot be asked wrongly.
        with suppress(hypothesis.errors.Unsatisfiable):
            test()


def test_every_answer_to_random_requests_is_one_that_is_declared(demo: Running) -> None:
    assert check_all(demo, examples=1, seed=1) > 20


@pytest.mark.torture
def test_five_thousand_random_requests(demo: Running) -> None:
    assert check_all(demo, examples=240, seed=2) >= 5000


def test_every_refusal_is_declared_as_a_problem_and_every_operation_described(demo: Running) -> None:
    found = document(demo)
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            for status, response in operation["responses"].items():
                if int(status) >= 400 and path != "/ready":
                    assert list(response["content"]) == ["application/problem+json"], (where, status)
            if path.startswith("/api") and path != "/api/logout":
                assert {"401", "429"} <= operation["responses"].keys(), where
    assert "HTTPValidationError" not in found["components"]["schemas"]


def test_the_version_is_the_packages(demo: Running) -> None:
    assert document(demo)["info"]["version"] == version("knowhub")


def test_the_examples_of_the_document_are_answered(demo: Running) -> None:
    for path, methods in document(demo)["paths"].items():
        body = methods.get("post", {}).get("requestBody")
        if body is None or path in ("/api/feedback", "/api/keys"):
            continue
        schema = document(demo)["components"]["schemas"][
            body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        ]
        example = {name: field["examples"][0] for name, field in schema["properties"].items() if "examples" in field}
        with demo.client() as client:
            assert client.post(path, json=example).is_success, path
