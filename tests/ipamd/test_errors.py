"""Every refusal has a reply of its own."""

import re

from ipamd.errors import IpamError


def test_every_refusal_has_a_code_of_its_own_and_a_status_of_an_error() -> None:
    refusals = IpamError.__subclasses__()
    codes = [refusal.code for refusal in refusals]

    assert len(set(codes)) == len(codes) > 15
    for refusal in refusals:
        assert 400 <= refusal.status < 600
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", refusal.code)
        assert refusal.title
        assert refusal.__doc__


def test_a_refusal_is_its_detail_and_carries_members() -> None:
    error = IpamError("why", pool="p", free=0)

    assert (str(error), error.detail, error.members) == ("why", "why", {"pool": "p", "free": 0})
