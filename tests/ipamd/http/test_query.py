"""The parameters in a query: what is read, and what is refused."""

import pytest

from ipamd.errors import Malformed
from ipamd.http.query import check_known, flag, is_dry_run, number
from ipamd.http.routes import Parameter


def test_a_parameter_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    parameters = (Parameter("tag", ""), Parameter("pool", ""))
    check_known({"pool": "x"}, parameters)

    with pytest.raises(Malformed, match="unknown parameter 'poll'; there are pool, tag"):
        check_known({"poll": "x"}, parameters)


@pytest.mark.parametrize(("query", "found"), [({}, 5), ({"limit": "1"}, 1), ({"limit": "9"}, 9)])
def test_a_number_is_read_or_what_it_is_by_default(query: dict[str, str], found: int) -> None:
    assert number(query, "limit", 5, range(1, 10)) == found


@pytest.mark.parametrize("text", ["0", "10", "-1", "x", "", "٣", "9" * 30])
def test_a_number_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="limit is a number from 1 to 9"):
        number({"limit": text}, "limit", 5, range(1, 10))


def test_a_flag_is_true_or_false() -> None:
    assert [flag(query, "all") for query in ({}, {"all": "false"}, {"all": "true"})] == [False, False, True]
    with pytest.raises(Malformed, match="all is true or false, not '1'"):
        flag({"all": "1"}, "all")


def test_a_dry_run_is_asked_for_in_one_way() -> None:
    assert [is_dry_run(query) for query in ({}, {"dryRun": "All"})] == [False, True]
    with pytest.raises(Malformed, match="dryRun is All"):
        is_dry_run({"dryRun": "true"})
