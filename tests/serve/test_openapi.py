"""The OpenAPI description, and that the server keeps to it whatever it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("schemathesis")

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from soundseek.serve.app import create_app
from soundseek.serve.settings import Settings

load_all_checks()
# What the limits, the library's content and its filters refuse is more than a schema can say.
LEFT_OUT = {"positive_data_acceptance"}
ANY = list(HealthCheck)
CHECKED = [check for check in CHECKS.get_all() if check.__name__ not in LEFT_OUT]


@pytest.fixture(scope="module")
def description(library_folder: Path) -> Iterator[Any]:
    """The description, and with it the application that it is of."""
    app = create_app(library_folder, Settings(requests_per_minute=0, allowed_hosts=("testserver",)))
    yield schemathesis.openapi.from_asgi("/openapi.json", app)
    app.state.server.close()


@pytest.mark.slow
def test_answers_are_as_described(description: Any) -> None:
    # Not by the plug-in of schemathesis for pytest, which does not know pytest 9.
    operations = [found.ok() for found in description.get_all_operations()]
    assert len(operations) >= 9
    for operation in operations:
        _check(operation)


def _check(operation: Any) -> None:
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    for mode in modes:

        @seed(1)
        @settings(max_examples=15, deadline=None, database=None, suppress_health_check=ANY)
        @given(case=operation.as_strategy(generation_mode=mode))
        def keeps_to_it(case: Any) -> None:
            case.call_and_validate(checks=CHECKED)

        try:
            keeps_to_it()
        except Unsatisfiable:  # nothing can be wrong with a request without parameters
            assert mode is GenerationMode.NEGATIVE
