"""Pages are fetched with limits, from a real server on loopback; failures are reported."""

from __future__ import annotations

import pytest

from tests.teacher import Call, Reply, Teacher, always, raw
from transforms.guard.fetch import FetchedPage, fetch_pages

TEXT = b"<p>Terms of use</p>"


def page(script: Reply, **limits: int) -> FetchedPage:
    with Teacher(always(script)) as server:
        return fetch_pages([server.endpoint], **limits)[server.endpoint]


def test_a_page_is_its_bytes() -> None:
    assert page(raw(TEXT, content_type="text/html")) == FetchedPage(TEXT)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (raw(b"gone", status=404), "status 404"),
        (raw(b"later", status=503), "status 503"),
        (raw(b"", status=204), "status 204"),
        (raw(b"", status=302, headers={"Location": "http://127.0.0.1:9/"}), "redirected to http,"),
        (raw(b"", status=302, headers={"Location": "file:///etc/passwd"}), "redirected to file,"),
        (raw(b"", status=302, headers={"Location": "/here"}), "redirected to http, not https"),
        (raw(b"", status=301), "redirected to http, not https"),
        (raw(b"x" * 3000), "larger than 2000 bytes"),
        (raw(TEXT).after(5), "no answer within 1 s"),
        (Reply(then="close"), "Disconnected"),
        (Reply(body=TEXT, then="cut"), "ClientPayloadError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_page_that_cannot_be_had_says_why(reply: Reply, problem: str) -> None:
    found = page(reply, seconds=1, limit_bytes=2000)
    assert found.data == b""
    assert problem in found.problem


def test_a_compressed_page_is_no_larger_than_what_it_unfolds_to() -> None:
    import gzip

    bomb = raw(gzip.compress(b"x" * 1_000_000), headers={"Content-Encoding": "gzip"})
    assert page(bomb, limit_bytes=2000).problem == "larger than 2000 bytes"


def test_a_redirect_is_not_followed_to_where_anybody_may_listen() -> None:
    def script(call: Call) -> Reply:
        if call.path == "/v1":
            return raw(b"", status=302, headers={"Location": "/v1/elsewhere"})
        return raw(TEXT)

    with Teacher(script) as server:
        assert fetch_pages([server.endpoint])[server.endpoint].problem
        assert [call.path for call in server.calls] == ["/v1"]


def test_each_address_is_asked_once_and_one_that_fails_holds_no_other_up() -> None:
    with Teacher(always(raw(TEXT))) as server:
        good = [f"{server.endpoint}/{number}" for number in range(20)]
        found = fetch_pages([*good, *good, "http://127.0.0.1:9/", "no address"])
        assert server.count == 20
    assert [found[address] for address in good] == [FetchedPage(TEXT)] * 20
    assert found["http://127.0.0.1:9/"].problem
    assert found["no address"].problem
    assert fetch_pages([]) == {}
