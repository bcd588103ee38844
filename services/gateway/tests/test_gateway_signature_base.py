"""The signature base is spelled as RFC 9421 spells it, and nothing can pass for another line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_gateway.http.signature_base import MAXIMUM_FIELD_BYTES, signature_base
from headrace_gateway.testing.scopes import Headers, http_scope

# RFC 9421, appendix B.2: the request that its examples sign.
REQUEST = http_scope(
    "POST",
    "/foo?param=Value&Pet=dog",
    [
        ("Host", "example.com"),
        ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("Content-Type", "application/json"),
        ("Content-Length", "18"),
    ],
)
B_2_5 = (
    '"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
    '"@authority": example.com\n'
    '"content-type": application/json\n'
    '"@signature-params": ("date" "@authority" "content-type")'
    ';created=1618884473;keyid="test-shared-secret"'
)
B_2_6 = (
    '"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
    '"@method": POST\n'
    '"@path": /foo\n'
    '"@authority": example.com\n'
    '"content-type": application/json\n'
    '"content-length": 18\n'
    '"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"'
)


def _value(component: str, target: str = "/", headers: Headers = (), scheme: str = "https") -> str:
    scope = http_scope("GET", target, headers, scheme=scheme)
    line, _, rest = signature_base(scope, [component], "()").decode().partition("\n")
    assert rest == '"@signature-params": ()'
    return line.removeprefix(f'"{component}": ')


@pytest.mark.parametrize("base", [B_2_5, B_2_6], ids=["B.2.5", "B.2.6"])
def test_the_examples_of_the_rfc_are_spelled_alike(base: str) -> None:
    *lines, last = base.split("\n")
    components = [line.partition('"')[2].partition('"')[0] for line in lines]
    signature_params = last.removeprefix('"@signature-params": ')
    assert signature_base(REQUEST, components, signature_params) == base.encode()


@pytest.mark.parametrize(
    ("component", "value"),
    [
        ("@method", "POST"),
        ("@authority", "www.example.com"),
        ("@scheme", "https"),
        ("@target-uri", "https://www.example.com/path?param=value"),
        ("@request-target", "/path?param=value"),
        ("@path", "/path"),
        ("@query", "?param=value"),
    ],
)
def test_derived_components_are_those_of_the_rfc(component: str, value: str) -> None:
    scope = http_scope("POST", "/path?param=value", [("Host", "www.example.com")])
    base = signature_base(scope, [component], "()").decode()
    assert base == f'"{component}": {value}\n"@signature-params": ()'


@pytest.mark.parametrize(
    ("host", "scheme", "authority"),
    [
        ("Example.COM", "https", "example.com"),
        ("example.com:443", "https", "example.com"),
        ("example.com:80", "http", "example.com"),
        ("example.com:80", "https", "example.com:80"),
        ("example.com:", "https", "example.com"),
        ("example.com:8443", "https", "example.com:8443"),
        ("[2001:DB8::1]:443", "https", "[2001:db8::1]"),
        ("[2001:db8::1]:8443", "https", "[2001:db8::1]:8443"),
    ],
)
def test_the_authority_is_in_lower_case_without_the_default_port(
    host: str, scheme: str, authority: str
) -> None:
    assert _value("@authority", headers=[("Host", host)], scheme=scheme) == authority


def test_the_target_uri_has_the_host_as_it_was_sent() -> None:
    headers = [("Host", "Example.COM:443")]
    assert _value("@target-uri", "/a", headers) == "https://Example.COM:443/a"


@pytest.mark.parametrize(
    ("target", "path", "query", "request_target"),
    [
        ("", "/", "?", "/"),
        ("?a=b", "/", "?a=b", "/?a=b"),
        ("/a%2Fb/%7e", "/a%2Fb/%7e", "?", "/a%2Fb/%7e"),
        ("/a?b=c%20d&b=?", "/a", "?b=c%20d&b=?", "/a?b=c%20d&b=?"),
    ],
)
def test_path_and_query_are_as_they_were_sent(
    target: str, path: str, query: str, request_target: str
) -> None:
    assert _value("@path", target) == path
    assert _value("@query", target) == query
    assert _value("@request-target", target) == request_target


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ([""], ""),
        (["  padded\t"], "padded"),
        (["max-age=60", "   must-revalidate"], "max-age=60, must-revalidate"),
        (["a, b", "", "c"], "a, b, , c"),
        (["in\tside"], "in\tside"),
    ],
)
def test_field_lines_are_stripped_and_joined(lines: list[str], value: str) -> None:
    assert _value("x-field", headers=[("X-Field", line) for line in lines]) == value


@pytest.mark.parametrize(
    ("component", "target", "headers"),
    [
        ("x-absent", "/", []),
        ("X-Field", "/", [("x-field", "a")]),
        ("@status", "/", []),
        ("@query-param", "/?a=b", []),
        ("@signature-params", "/", []),
        ('x"y', "/", [('x"y', "a")]),
        ("x\ny", "/", [("x\ny", "a")]),
        ("é", "/", [("x", "a")]),
        ("", "/", []),
        ("x-field", "/", [("x-field", "a\nb")]),
        ("x-field", "/", [("x-field", "a\rb")]),
        ("x-field", "/", [("x-field", "a\0b")]),
        ("x-field", "/", [("x-field", "é")]),
        ("x-field", "/", [("x-field", "a" * (MAXIMUM_FIELD_BYTES + 1))]),
        ("@path", '/a\n"@query": ?', []),
        ("@path", "/é", []),
        ("@query", "/?é", []),
        ("@authority", "/", []),
        ("@authority", "/", [("host", "a"), ("host", "a")]),
        ("@authority", "/", [("host", "")]),
        ("@authority", "/", [("host", "user@a")]),
        ("@authority", "/", [("host", "a/b")]),
        ("@authority", "/", [("host", "a:b")]),
        ("@authority", "/", [("host", "::1")]),
        ("@authority", "/", [("host", "a b")]),
        ("@authority", "/", [("host", "é")]),
        ("@target-uri", "/", []),
        ("@target-uri", "/", [("host", "a?b")]),
    ],
)
def test_a_component_without_one_plain_value_is_refused(
    component: str, target: str, headers: Headers
) -> None:
    with pytest.raises(ValueError):
        signature_base(http_scope("GET", target, headers), [component], "()")


def test_a_base_that_is_too_long_is_refused() -> None:
    names = [f"x-{number}" for number in range(5)]
    scope = http_scope("GET", "/", [(name, "a" * MAXIMUM_FIELD_BYTES) for name in names])
    assert signature_base(scope, names[:3], "()")
    with pytest.raises(ValueError, match="signature base"):
        signature_base(scope, names, "()")


@given(value=st.binary(max_size=40), target=st.text(st.characters(max_codepoint=255), max_size=40))
def test_whatever_the_request_holds_a_component_stays_on_its_line(
    value: bytes, target: str
) -> None:
    scope = http_scope("GET", "/" + target, [("x-field", value)])
    for component in ("x-field", "@path", "@query", "@request-target"):
        try:
            base = signature_base(scope, [component], "()")
        except ValueError:
            continue
        first, second = base.split(b"\n")
        assert first.startswith(f'"{component}": '.encode())
        assert second == b'"@signature-params": ()'
