"""Whose budget a call is taken from, and how budgets are counted."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.descriptors import ContractUnusable
from gateway.errors import Refusal
from gateway.rates.classes import RateClass, rate_class
from gateway.rates.limiter import Limiter
from gateway.rates.principals import Principal, Principals, Quota, Tiers
from gateway.rates.windows import Memory
from tests.unit.gateway import toy

USUAL, PRO = Quota(reads=2, writes=1), Quota(reads=9, writes=8)
TIERS = Tiers(USUAL, "plan", {"pro": PRO})


class Hands:
    """A clock that is set by hand."""

    def __init__(self, now: float = 0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def bearer(**claims: Any) -> bytes:
    body = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    return b"Bearer eyJ9." + body + b".c2ln"


def known(credential: bytes, access: str = "SIGNED_IN") -> Principal:
    principals = Principals(TIERS)
    principals.accepted(credential, access)
    principal = principals.find(credential)
    assert principal is not None
    return principal


async def test_a_budget_is_used_up_call_by_call() -> None:
    windows = Memory(clock=Hands(30))
    counts = [await windows.take("a", 2) for _ in range(4)]
    assert [(count.admitted, count.remaining) for count in counts] == [(True, 1), (True, 0), (False, 0), (False, 0)]
    assert (await windows.take("b", 2)).admitted


@pytest.mark.parametrize(
    ("calls", "now", "admitted"),
    [
        pytest.param([59, 59, 59, 59], 60.5, 1, id="nobody has a budget twice around the turn of a minute"),
        pytest.param([59, 59, 59, 59], 90, 2, id="half of a minute later half of the budget is back"),
        pytest.param([59, 59, 59, 59], 119.5, 4, id="and a whole minute later all of it"),
        pytest.param([59, 59, 59, 59], 120, 4, id="nothing is left of it in the minute after the next"),
        pytest.param([59, 59, 59, 59], 200, 4, id="nor when nobody called for long"),
        pytest.param([1, 1, 1], 59, 1, id="calls of this minute count until it ends"),
    ],
)
async def test_calls_fade(calls: list[float], now: float, admitted: int) -> None:
    clock = Hands()
    windows = Memory(clock=clock)
    for at in calls:
        clock.now = at
        assert (await windows.take("a", 4)).admitted
    clock.now = now
    assert [(await windows.take("a", 4)).admitted for _ in range(5)].count(True) == admitted


@given(limit=st.integers(1, 5), pauses=st.lists(st.floats(0, 20), min_size=6, max_size=60))
async def test_who_waits_as_long_as_told_is_admitted_and_nobody_earlier_is(limit: int, pauses: list[float]) -> None:
    clock = Hands()
    windows = Memory(clock=clock)
    for pause in pauses:
        clock.now += pause
        count = await windows.take("a", limit)
        if not count.admitted:
            again = clock.now + count.wait_s
            clock.now += max(0, count.wait_s - 0.001)
            assert count.wait_s < 0.01 or not (await windows.take("a", limit)).admitted
            clock.now = again + 0.001
            assert (await windows.take("a", limit)).admitted


async def test_what_is_counted_has_a_bound() -> None:
    windows = Memory(clock=Hands(30), most_keys=2)
    for key in ("a", "b", "c"):
        assert (await windows.take(key, 1)).admitted
    assert [(await windows.take(key, 1)).admitted for key in ("a", "b", "c")] == [False, False, True]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(bearer(iss="i", sub="a", jti="1"), bearer(iss="i", sub="a", jti="2"), id="two tokens of one"),
        pytest.param(bearer(sub="a"), bearer(sub="a", plan="free"), id="whatever else they say"),
    ],
)
def test_one_caller_has_one_budget(one: bytes, other: bytes) -> None:
    assert known(one) == known(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(bearer(iss="i", sub="a"), bearer(iss="i", sub="b"), id="two subjects"),
        pytest.param(bearer(iss="i", sub="a"), bearer(iss="j", sub="a"), id="two issuers"),
        pytest.param(b"Bearer opaque", b"Bearer other", id="tokens that say nothing"),
        pytest.param(b"Bearer a.b.c", b"Bearer a.bb.c", id="tokens that only look like it"),
        pytest.param(b"Bearer a.W10.c", b"Bearer b.W10.c", id="a list for claims"),
        pytest.param(bearer(sub=1), bearer(sub=2), id="a number for a subject"),
        pytest.param(b"ApiKey 1", b"ApiKey 2", id="another scheme"),
    ],
)
def test_others_have_others(one: bytes, other: bytes) -> None:
    assert known(one).key != known(other).key


@pytest.mark.parametrize(
    ("claims", "quota"),
    [
        ({"plan": "pro"}, PRO),
        ({"plan": ["free", "pro"]}, PRO),
        ({"plan": "free"}, USUAL),
        ({"plan": {"pro": 1}}, USUAL),
        ({"plan": 1}, USUAL),
        ({"other": "pro"}, USUAL),
    ],
)
def test_a_claim_chooses_the_tier(claims: dict[str, Any], quota: Quota) -> None:
    assert known(bearer(sub="a", **claims)).quota == quota
    assert Tiers(USUAL).quota(claims) == USUAL


def test_nothing_in_a_token_is_read_before_a_method_that_demands_it_has_answered() -> None:
    forged = bearer(sub="a", plan="pro")
    principals = Principals(TIERS)
    for access in ("", "ANYONE", "TOKEN_OPTIONAL", "ACCESS_UNSPECIFIED"):
        principals.accepted(forged, access)
        assert principals.find(forged) is None


def test_where_every_answer_vouches_a_credential_stands_for_itself() -> None:
    forged = bearer(sub="a", plan="pro")
    principals = Principals(TIERS, answers_vouch=True)
    for access in ("ANYONE", "TOKEN_OPTIONAL", "ACCESS_UNSPECIFIED"):
        principals.accepted(forged, access)
        assert principals.find(forged) is None
    principals.accepted(forged, "")
    found = principals.find(forged)
    assert found is not None
    assert found.quota == USUAL
    assert found.key != known(forged).key


def test_what_a_server_refuses_is_no_longer_known() -> None:
    principals = Principals(TIERS)
    principals.accepted(bearer(sub="a"), "SIGNED_IN")
    principals.refused(bearer(sub="a"))
    assert principals.find(bearer(sub="a")) is None


def test_only_those_who_called_last_are_remembered() -> None:
    principals = Principals(TIERS, most=2)
    for subject in ("a", "b"):
        principals.accepted(bearer(sub=subject), "SIGNED_IN")
    assert principals.find(bearer(sub="a")) is not None
    principals.accepted(bearer(sub="c"), "SIGNED_IN")
    assert [principals.find(bearer(sub=one)) is not None for one in "abc"] == [True, False, True]


def limiter(anonymous: int = 1) -> Limiter:
    return Limiter(Memory(clock=Hands(30)), Principals(TIERS), anonymous)


async def refusal_of(one: Limiter, rate: RateClass, credential: bytes | None, address: str = "192.0.2.1") -> Refusal:
    for _ in range(20):
        try:
            await one.admit(rate, credential, address)
        except Refusal as refusal:
            return refusal
    raise AssertionError("everything was admitted")


async def test_every_answer_says_how_the_budget_stands() -> None:
    one = limiter(anonymous=2)
    admission = await one.admit(RateClass.READ, None, "192.0.2.1")
    assert dict(admission.headers) == {
        b"ratelimit-policy": b'"anonymous";q=2;w=60',
        b"ratelimit": b'"anonymous";r=1;t=31',
    }
    refusal = await refusal_of(one, RateClass.READ, None)
    assert (refusal.http, refusal.status, refusal.reason) == (429, "RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert dict(refusal.headers) == {
        b"retry-after": b"31",
        b"ratelimit-policy": b'"anonymous";q=2;w=60',
        b"ratelimit": b'"anonymous";r=0;t=31',
    }
    assert refusal.details[1] == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"}


async def test_reads_and_writes_have_budgets_of_their_own_and_the_address_has_another() -> None:
    one = limiter(anonymous=1)
    token = bearer(sub="a")
    one.answered(await one.admit(RateClass.READ, token, "192.0.2.1"), "SIGNED_IN")
    for rate, name in ((RateClass.WRITE, "write"), (RateClass.READ, "read")):
        refusal = await refusal_of(one, rate, token)
        assert dict(refusal.headers)[b"ratelimit"].startswith(b'"%b";r=0' % name.encode())
    assert dict((await refusal_of(one, RateClass.READ, None)).headers)[b"ratelimit"].startswith(b'"anonymous"')
    assert (await one.admit(RateClass.READ, None, "192.0.2.2")).headers


async def test_tokens_that_nobody_accepts_use_up_the_budget_of_their_address() -> None:
    one = limiter(anonymous=3)
    for number in range(3):
        one.not_accepted(await one.admit(RateClass.READ, b"Bearer %d" % number, "192.0.2.1"))
    refusal = await refusal_of(one, RateClass.READ, b"Bearer another")
    assert dict(refusal.headers)[b"ratelimit-policy"] == b'"anonymous";q=3;w=60'


async def test_no_limit_says_nothing() -> None:
    one = Limiter(Memory(), Principals(Tiers(Quota(0, 0))), 0)
    for credential in (None, bearer(sub="a")):
        for _ in range(3):
            admission = await one.admit(RateClass.WRITE, credential, "192.0.2.1")
            one.answered(admission, "SIGNED_IN")
            assert admission.headers == ()


def test_the_class_is_what_the_contract_says_or_what_follows_from_it() -> None:
    rpcs = """
      rpc Get(M) returns (M) { option (google.api.http) = { get: "/get" }; }
      rpc Post(M) returns (M) { option (google.api.http) = { post: "/post" }; }
      rpc Search(M) returns (M) { option (google.api.http) = { post: "/search" };
        option idempotency_level = NO_SIDE_EFFECTS; }
      rpc Costly(M) returns (M) { option (google.api.http) = { get: "/costly" };
        option (tandem.gateway.v1.method) = { rate_class: WRITE }; }
      rpc Cheap(M) returns (M) { option (google.api.http) = { post: "/cheap" };
        option (tandem.gateway.v1.method) = { rate_class: READ }; }
    """
    contract = toy.little(f"message M {{}} service S {{ {rpcs} }}")
    assert {method.name: rate_class(method, method.bindings[0]) for method in contract.methods} == {
        "Get": RateClass.READ,
        "Post": RateClass.WRITE,
        "Search": RateClass.READ,
        "Costly": RateClass.WRITE,
        "Cheap": RateClass.READ,
    }


def test_a_class_that_does_not_exist_is_refused() -> None:
    contract = toy.little(
        'message M {} service S { rpc Get(M) returns (M) { option (google.api.http) = { get: "/get" };'
        " option (tandem.gateway.v1.method) = { rate_class: 7 }; } }"
    )
    (method,) = contract.methods
    with pytest.raises(ContractUnusable, match="7 is not a rate class"):
        rate_class(method, method.bindings[0])
