"""A browser, a fake server and a tab for the tests of the page; skipped where there is no Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chromium import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def _server() -> Iterator[Any]:
    from serve.page.fake import Fake

    server = Fake()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fake(_server: Any) -> Any:
    from serve.page.fake import Behaviour

    _server.behaviour = Behaviour()
    return _server


@pytest.fixture(scope="module")
def context(browser: Any) -> Any:
    return browser.new_context(viewport={"width": 1180, "height": 760}, reduced_motion="reduce")


@pytest.fixture
def desk(context: Any, fake: Any) -> Iterator[Any]:
    """A tab on a desktop; the page may not complain of anything."""
    from serve.page.desk import Desk

    desk = Desk(context.new_page(), fake)
    yield desk
    desk.page.close()
    refused = "Failed to load resource"  # the browser's own line about an answer that is an error
    assert [problem for problem in desk.problems if refused not in problem] == []
