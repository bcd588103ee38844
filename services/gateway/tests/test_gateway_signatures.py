"""What a signed request must be before its key is asked for; all else is one and the same 401."""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from headrace_common.errors import HeadraceError, credential_invalid
from headrace_gateway.domain.signed_request import SignedRequest
from headrace_gateway.http.signatures import parse_signed_request
from headrace_gateway.testing.scopes import http_scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CREATED = int(NOW.timestamp())
KEY_ID = "0123456789abcdefG"
BODY = b'{"model":"echo"}'
SHA_256, SHA_512 = hashlib.sha256(BODY).digest(), hashlib.sha512(BODY).digest()
COVERED = ("@method", "@authority", "@path", "@query", "content-digest")
PARAMETERS = f';created={CREATED};keyid="{KEY_ID}";nonce="n1"'
SIGNATURE = ":c2lnbmF0dXJl:"


def _b64(data: bytes) -> str:
    return f":{base64.b64encode(data).decode()}:"


DIGEST = f"sha-256={_b64(SHA_256)}"


def _components(names: Iterable[str]) -> str:
    """Names in quotes; what has quotes already stays as it is."""
    items = [name if '"' in name else f'"{name}"' for name in names]
    return f"({' '.join(items)})"


def _input(covered: Iterable[str] = COVERED, parameters: str = PARAMETERS) -> str:
    return f"sig={_components(covered)}{parameters}"


def _scope(
    signature_input: str | bytes | None = None,
    signature: str | bytes = f"sig={SIGNATURE}",
    *,
    target: str = "/v1/chat?a=b",
    digest: str | bytes | None = DIGEST,
    length: str | None = "16",
    extra: Iterable[tuple[str, str | bytes]] = (),
) -> Scope:
    given_input = _input() if signature_input is None else signature_input
    headers = {
        "host": "api.test",
        "content-length": length,
        "content-digest": digest,
        "signature-input": given_input,
        "signature": signature,
    }
    lines = [(name, value) for name, value in headers.items() if value is not None]
    return http_scope("POST", target, [*lines, *extra])


def _parse(scope: Scope) -> SignedRequest:
    signed = parse_signed_request(scope, NOW)
    assert signed is not None
    return signed


def _assert_refused(scope: Scope) -> None:
    with pytest.raises(HeadraceError) as caught:
        parse_signed_request(scope, NOW)
    assert repr(caught.value) == repr(credential_invalid())


def test_a_signed_request_is_taken_apart() -> None:
    parameters = PARAMETERS + f';expires={CREATED + 9};alg="ed25519";tag="app"'
    signed = _parse(_scope(_input(parameters=parameters)))
    assert signed == SignedRequest(
        key_id=KEY_ID,
        algorithm="ed25519",
        signature_base=(
            '"@method": POST\n"@authority": api.test\n"@path": /v1/chat\n"@query": ?a=b\n'
            f'"content-digest": {DIGEST}\n"@signature-params": {_components(COVERED)}{parameters}'
        ).encode(),
        signature=b"signature",
        created=NOW,
        expires=NOW + timedelta(seconds=9),
        nonce="n1",
        content_digest={"sha-256": SHA_256},
    )


def test_what_was_not_given_is_empty() -> None:
    signed = _parse(_scope(_input(COVERED[:4]), length="0", digest=None))
    assert (signed.algorithm, signed.expires, signed.content_digest) == ("", None, None)


def test_a_request_without_a_signature_is_not_a_signed_one() -> None:
    assert parse_signed_request(http_scope("GET", "/", [("host", "a")]), NOW) is None


@pytest.mark.parametrize("name", ["signature-input", "signature"])
def test_one_of_the_two_fields_without_the_other_is_refused(name: str) -> None:
    value = _input() if name == "signature-input" else f"sig={SIGNATURE}"
    _assert_refused(http_scope("GET", "/", [("host", "a"), (name, value)]))


def test_what_was_signed_does_not_show() -> None:
    scope = _scope(_input([*COVERED, "authorization"]), extra=[("authorization", "Bearer hr_x")])
    signed = _parse(scope)
    assert b"hr_x" in signed.signature_base
    assert "hr_x" not in repr(signed)
    assert "signature'" not in repr(signed)


@pytest.mark.parametrize(
    ("signature_input", "signature"),
    [
        (b"", f"sig={SIGNATURE}"),
        ("", ""),
        (_input(), ""),
        (_input(), f"other={SIGNATURE}"),
        (_input() + ", " + _input().replace("sig=", "two="), f"sig={SIGNATURE}, two={SIGNATURE}"),
        (_input() + ", " + _input(), f"sig={SIGNATURE}"),
        (_input(), f"sig={SIGNATURE}, sig={SIGNATURE}"),
        (_input(), f"sig={SIGNATURE}, two={SIGNATURE}"),
        (_input(), "sig=::"),
        (_input(), 'sig="c2lnbmF0dXJl"'),
        (_input(), "sig=signature"),
        (_input(), "sig"),
        (_input(), f"sig={SIGNATURE};a=1"),
        (_input(), f"sig=({SIGNATURE})"),
        (_input(), "sig=:%%%:"),
        ("sig=1" + PARAMETERS, f"sig={SIGNATURE}"),
        ("sig" + PARAMETERS, f"sig={SIGNATURE}"),
        (_input() + ",", f"sig={SIGNATURE}"),
        ("sig=" + "(" * 4000, f"sig={SIGNATURE}"),
        (b"sig=(\xff)", f"sig={SIGNATURE}"),
        (_input(parameters=PARAMETERS + ";tag=" + f'"{"t" * 8192}"'), f"sig={SIGNATURE}"),
        (_input(), f"sig=:{'A' * 8192}:"),
    ],
)
def test_anything_but_one_signature_under_one_label_is_refused(
    signature_input: str | bytes, signature: str
) -> None:
    _assert_refused(_scope(signature_input, signature))


@pytest.mark.parametrize("name", ["signature-input", "signature"])
def test_a_second_line_with_another_signature_is_refused(name: str) -> None:
    value = _input().replace("sig=", "two=") if name == "signature-input" else f"two={SIGNATURE}"
    _assert_refused(_scope(extra=[(name, value)]))


@pytest.mark.parametrize("missing", COVERED)
def test_every_required_component_must_be_covered(missing: str) -> None:
    assert _parse(_scope())
    _assert_refused(_scope(_input(name for name in COVERED if name != missing)))


def test_a_query_must_be_covered_only_where_there_is_one() -> None:
    covered = ("@method", "@authority", "@path", "content-digest")
    assert _parse(_scope(_input(covered), target="/v1/chat"))
    assert _parse(_scope(_input(covered), target="/v1/chat?"))


def test_the_target_uri_stands_for_authority_path_and_query() -> None:
    covered = ("@method", "@target-uri", "content-digest")
    base = _parse(_scope(_input(covered))).signature_base
    assert b'"@target-uri": https://api.test/v1/chat?a=b\n' in base
    for missing in ("@method", "content-digest"):
        _assert_refused(_scope(_input(name for name in covered if name != missing)))


@pytest.mark.parametrize(
    ("length", "extra", "has_body"),
    [
        (None, [], False),
        ("0", [], False),
        ("00", [], False),
        ("16", [], True),
        ("10", [], True),
        (None, [("transfer-encoding", "chunked")], True),
        ("0", [("content-length", "5")], True),
        ("-", [], True),
    ],
)
def test_the_digest_must_be_covered_where_there_is_a_body(
    length: str | None, extra: list[tuple[str, str]], has_body: bool
) -> None:
    scope = _scope(_input(COVERED[:4]), length=length, extra=extra)
    if has_body:
        _assert_refused(scope)
    else:
        assert _parse(scope).content_digest is None


@pytest.mark.parametrize(
    "component",
    [
        "@method",
        "x-absent",
        "Content-Type",
        "@status",
        "@query-param",
        "@signature-params",
        '"content-type";sf',
        '"content-type";bs',
        '"content-type";tr',
        '"@method";req',
        '"content-digest";key="sha-256"',
        '"@query-param";name="a"',
        '"content-type";unknown=?0',
        '("content-type")',
        '"content-type" content-length',
        '"content-type" 1',
        '"content-type" :YQ==:',
        '"content-type""x"',
        '%"content-type"',
    ],
)
def test_a_component_that_is_unknown_repeated_or_has_parameters_is_refused(component: str) -> None:
    content_type = [("content-type", "application/json")]
    assert _parse(_scope(_input([*COVERED, "content-type"]), extra=content_type))
    _assert_refused(_scope(_input([*COVERED, component]), extra=content_type))


def test_at_most_32_components_are_covered() -> None:
    extra = [(f"x-{number}", "a") for number in range(28)]
    names = [name for name, _ in extra]
    assert _parse(_scope(_input([*COVERED, *names[:27]]), extra=extra))
    _assert_refused(_scope(_input([*COVERED, *names]), extra=extra))


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        f';keyid="{KEY_ID}";nonce="n1"',
        f';created={CREATED};nonce="n1"',
        f';created={CREATED};keyid="{KEY_ID}"',
        f';created={CREATED};keyid="{KEY_ID}";nonce=""',
        f';created={CREATED};keyid="{KEY_ID}";nonce="{"n" * 129}"',
        f';created={CREATED};keyid="{KEY_ID}";nonce=n1',
        f';created={CREATED};keyid="{KEY_ID}";nonce=:bjE=:',
        f';created={CREATED};keyid="{KEY_ID}";nonce',
        f';created={CREATED};keyid="{KEY_ID}";nonce=1',
        f';created={CREATED};keyid="{KEY_ID[1:]}";nonce="n1"',
        f';created={CREATED};keyid="{KEY_ID}0";nonce="n1"',
        f';created={CREATED};keyid="{KEY_ID[1:]}-";nonce="n1"',
        f';created={CREATED};keyid={KEY_ID[10:]};nonce="n1"',
        f';created={CREATED}.0;keyid="{KEY_ID}";nonce="n1"',
        f';created=@{CREATED};keyid="{KEY_ID}";nonce="n1"',
        f';created="{CREATED}";keyid="{KEY_ID}";nonce="n1"',
        f';created;keyid="{KEY_ID}";nonce="n1"',
        f';created=?1;keyid="{KEY_ID}";nonce="n1"',
        f';created=999999999999999;keyid="{KEY_ID}";nonce="n1"',
        f';created=-999999999999999;keyid="{KEY_ID}";nonce="n1"',
        f';created={"9" * 4000};keyid="{KEY_ID}";nonce="n1"',
        PARAMETERS + ';nonce="n2"',
        PARAMETERS + f";created={CREATED}",
        PARAMETERS + ";alg=ed25519",
        PARAMETERS + ";alg",
        PARAMETERS + ";tag=1",
        PARAMETERS + ";expires",
        PARAMETERS + ";expires=999999999999999",
        PARAMETERS + ";unknown=1",
    ],
)
def test_parameters_that_are_missing_unknown_repeated_or_mistyped_are_refused(
    parameters: str,
) -> None:
    _assert_refused(_scope(_input(parameters=parameters)))


@pytest.mark.parametrize("nonce", ["n", "n" * 128, r"\"\\ "])
def test_a_nonce_has_from_1_to_128_characters(nonce: str) -> None:
    parameters = f';nonce="{nonce}";created={CREATED};keyid="{KEY_ID}"'
    signed = _parse(_scope(_input(parameters=parameters)))
    assert signed.nonce == nonce.replace(r"\"", '"').replace(r"\\", "\\")
    assert signed.signature_base.endswith(parameters.encode())


@pytest.mark.parametrize("direction", [-1, 1])
def test_created_must_be_within_the_window_of_now(direction: int) -> None:
    def at(seconds: int) -> Scope:
        created = CREATED + direction * seconds
        return _scope(_input(parameters=f';created={created};keyid="{KEY_ID}";nonce="n1"'))

    assert _parse(at(300)).created == NOW + direction * timedelta(minutes=5)
    _assert_refused(at(301))
    with pytest.raises(HeadraceError):
        parse_signed_request(at(11), NOW, timedelta(seconds=10))


@pytest.mark.parametrize(("seconds", "valid"), [(-1, False), (0, False), (1, True)])
def test_expires_must_be_in_the_future(seconds: int, valid: bool) -> None:
    scope = _scope(_input(parameters=PARAMETERS + f";expires={CREATED + seconds}"))
    if valid:
        assert _parse(scope).expires == NOW + timedelta(seconds=seconds)
    else:
        _assert_refused(scope)


@pytest.mark.parametrize(
    ("digest", "parsed"),
    [
        (f"sha-512={_b64(SHA_512)}", {"sha-512": SHA_512}),
        (
            f"sha-256={_b64(SHA_256)}, sha-512={_b64(SHA_512)}",
            {"sha-256": SHA_256, "sha-512": SHA_512},
        ),
        (f"md5=:AAAA:, sha-256={_b64(SHA_256)}, crc=1", {"sha-256": SHA_256}),
    ],
)
def test_digests_of_known_algorithms_are_kept(digest: str, parsed: dict[str, bytes]) -> None:
    assert _parse(_scope(digest=digest)).content_digest == parsed


@pytest.mark.parametrize(
    "digest",
    [
        None,
        "",
        "md5=:AAAA:",
        "sha-256",
        "sha-256=:AAAA:",
        f"sha-256={_b64(SHA_512)}",
        f"sha-256={SHA_256.hex()}",
        f'sha-256="{SHA_256.hex()}"',
        f"sha-256={_b64(SHA_256)}, sha-512=:AAAA:",
        f"sha-256={_b64(bytes(32))}, sha-256={_b64(SHA_256)}",
        f"sha-256=({_b64(SHA_256)})",
        "=",
        b"\xff",
    ],
)
def test_a_covered_digest_that_is_none_is_refused(digest: str | bytes | None) -> None:
    _assert_refused(_scope(digest=digest))


FRAGMENTS = (
    *("sig=", "(", ")", '"@method"', '"', ";", "created", "=", ":", "YQ==", "?1", "@1", "%", ","),
    *(
        " ",
        'nonce="a"',
        f'keyid="{KEY_ID}"',
        f"created={CREATED}",
        "1.5",
        "-",
        "a",
        "\\",
        "\t",
        "é",
    ),
)
NOISE = st.binary(max_size=60) | st.lists(st.sampled_from(FRAGMENTS), max_size=20).map(
    lambda parts: "".join(parts).encode("latin-1")
)


def _outcome(scope: Scope) -> SignedRequest | None:
    """None if the request was refused as it must be."""
    try:
        return _parse(scope)
    except HeadraceError as error:
        if repr(error) != repr(credential_invalid()):
            raise
        return None


@given(
    signature_input=NOISE | st.just(_input().encode()),
    signature=NOISE | st.just(f"sig={SIGNATURE}".encode()),
    digest=NOISE | st.just(DIGEST.encode()),
)
def test_whatever_is_sent_is_parsed_or_refused_alike(
    signature_input: bytes, signature: bytes, digest: bytes
) -> None:
    signed = _outcome(_scope(signature_input, signature, digest=digest))
    assert signed is None or (signed.key_id == KEY_ID and signed.content_digest)


@given(position=st.integers(0, len(_input()) - 1), byte=st.integers(0, 255))
def test_one_changed_byte_of_the_input_is_refused_or_changes_what_was_signed(
    position: int, byte: int
) -> None:
    original = _input().encode()
    changed = original[:position] + bytes([byte]) + original[position + 1 :]
    signed = _outcome(_scope(changed))
    if signed is not None and changed != original:
        assert signed.signature_base != _parse(_scope()).signature_base
