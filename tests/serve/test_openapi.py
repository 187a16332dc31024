"""The server does what its own description says, whatever is made up from it.

``TWOFOLD_EXAMPLES=200`` tries that many requests of each kind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from serve.live import Live, order, serving, wait_until
from twofold.serve.app import create_app
from twofold.serve.settings import Settings

pytest.importorskip("cv2")

SETTINGS = Settings(models=("opencv-telea",), max_megapixels=0.1, drain_seconds=1.0)
EXAMPLES = int(os.environ.get("TWOFOLD_EXAMPLES", "20"))


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(create_app(SETTINGS), SETTINGS) as server, server.client() as client:
        wait_until(lambda: client.get("/ready").status_code == 200, "the model")
        yield server


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_are_as_described(live: Live, mode: GenerationMode) -> None:
    with live.client() as client:
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    schema.config.update(base_url=live.url)
    seen = []
    for found in schema.get_all_operations():
        operation = found.ok()
        seen.append(operation.label)

        @settings(
            max_examples=EXAMPLES,
            derandomize=EXAMPLES == 20,
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            # A text that the schema allows is seldom a picture: then the answer is 400, as described.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        try:
            check()
        except Unsatisfiable:  # nothing can be wrong in a request without parameters
            assert mode is GenerationMode.NEGATIVE
    assert len(seen) >= 12


def test_the_server_still_fills_after_all_of_that(live: Live) -> None:
    with live.client() as client:
        assert client.post("/api/v1/fill", json=order(1)).status_code == 200
