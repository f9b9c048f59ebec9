from collections.abc import Awaitable, Callable

import pytest

from kdns.chain import Keep, Reply, Request
from kdns.errors import ConfigError, NoAnswer
from kdns.plugins import rewrite
from kdns.wire import codes, edns, names
from kdns.wire.edns import Edns
from kdns.wire.names import Name
from tests.kdns.asking import args, ask, question, records, texts


def echo(text: str = "30 IN A 192.0.2.1") -> Callable[[Request], Reply]:
    """A plugin below that answers under the name that it was asked for."""
    return lambda request: Reply(answer=records(f"{names.show(request.question.qname)} {text}"))


def answered(directive: str, asked: str, text: str = "30 IN A 192.0.2.1") -> list[str]:
    return texts(ask(rewrite.setup(args(directive)), asked, rest=echo(text)).answer)


@pytest.mark.parametrize(
    ("directive", "answer"),
    [
        ("rewrite name a.org b.org", "a.org."),  # exact is always mapped back
        ("rewrite name exact a.org b.org", "a.org."),
        ("rewrite name suffix a.org b.org", "b.org."),
        ("rewrite name suffix a.org b.org answer auto", "a.org."),
        ("rewrite name regex a b.org answer auto", "a.org."),
        ("rewrite name regex a b.org", "b.org."),
        ("rewrite stop {\n name regex a b.org\n answer name b c.org\n}", "c.org."),
        ("rewrite name b.org c.org", "a.org."),  # does not match
        ("rewrite continue name a.org b.org\nrewrite name b.org c.org", "a.org."),  # both are undone
        ("rewrite stop name substring a.org b.org\nrewrite name regex b c.org", "b.org."),
        ("rewrite name substring a.org b.org\nrewrite name regex b c.org", "b.org."),  # stop is the default
        ("rewrite continue name substring a.org b.org\nrewrite name regex b c.org", "c.org."),
    ],
)
def test_names_are_rewritten_and_put_back(directive: str, answer: str) -> None:
    assert answered(directive, "a.org. A") == [f"{answer} 30 IN A 192.0.2.1"]


def test_both_owner_and_target_are_put_back() -> None:
    directive = "rewrite name suffix .a.org .b.org answer auto"

    assert answered(directive, "x.a.org. SRV", "30 IN SRV 0 1 53 pod.b.org.") == [
        "x.a.org. 30 IN SRV 0 1 53 pod.a.org."
    ]


def test_a_name_that_is_none_is_a_failure_that_errors_logs() -> None:
    with pytest.raises(NoAnswer, match=r"invalid name after rewrite: \.org\.") as failure:
        answered("rewrite name prefix a.org .org", "a.org. A")

    assert (failure.value.rcode, failure.value.reason) == (codes.SERVFAIL, "invalid name after rewrite: .org.")


def test_type_and_class_are_rewritten_for_those_below() -> None:
    seen: list[Request] = []

    def below(request: Request) -> Reply:
        seen.append(request)
        return Reply()

    plugin = rewrite.setup(args("rewrite continue type ANY HINFO\nrewrite class CH IN"))
    ask(plugin, question("a.org. ANY", qclass=codes.CH), rest=below)

    assert [(asked.question.qtype, asked.question.qclass) for asked in seen] == [(codes.HINFO, codes.IN)]


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("a.org 10", 30, 10),
        ("exact A.org. 0", 30, 0),
        ("prefix a 10", 30, 10),
        ("suffix org 10", 30, 10),
        ("substring a.org 10", 30, 10),
        ("regex ^a 10", 30, 10),
        ("b.org 10", 30, 30),
        ("regex ^b 10", 30, 30),
        ("a.org 5-10", 30, 10),
        ("a.org 5-10", 1, 5),
        ("a.org 5-10", 7, 7),
        ("a.org -10", 30, 10),
        ("a.org -10", 0, 0),
        ("a.org 60-", 30, 60),
        ("a.org 60-", 2**31 - 1, 2**31 - 1),
    ],
)
def test_ttls_of_every_section_are_kept_within_bounds(rule: str, before: int, after: int) -> None:
    section = records(f"x.org. {before} IN A 192.0.2.1")
    plugin = rewrite.setup(args(f"rewrite ttl {rule}"))

    reply = ask(plugin, "a.org. A", rest=Reply(0, section, section, section))

    assert reply.answer == reply.authority == reply.additional == records(f"x.org. {after} IN A 192.0.2.1")


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("a.org SERVFAIL NXDOMAIN", codes.SERVFAIL, codes.NXDOMAIN),
        ("a.org 2 0", codes.SERVFAIL, codes.NOERROR),
        ("exact a.org servfail 23", codes.SERVFAIL, 23),
        ("a.org notimpl BADSIG", codes.NOTIMP, codes.BADVERS),
        ("regex ^b 2 0", codes.SERVFAIL, codes.SERVFAIL),
        ("a.org 3 0", codes.SERVFAIL, codes.SERVFAIL),
    ],
)
def test_rcodes_are_rewritten_of_replies_and_of_failures(rule: str, before: int, after: int) -> None:
    plugin = rewrite.setup(args(f"rewrite rcode {rule}"))

    assert ask(plugin, "a.org. A", rest=Reply(before)).rcode == after
    with pytest.raises(NoAnswer) as failure:
        ask(plugin, "a.org. A", rest=NoAnswer(before, "i/o timeout"))
    assert (failure.value.rcode, failure.value.reason) == (after, "i/o timeout")


def test_what_is_done_to_replies_is_done_in_the_reverse_order() -> None:
    directive = "rewrite continue rcode a.org SERVFAIL NXDOMAIN\nrewrite rcode a.org REFUSED SERVFAIL"

    assert ask(rewrite.setup(args(directive)), "a.org. A", rest=Reply(codes.REFUSED)).rcode == codes.NXDOMAIN


ALIASES = "a.org. 30 IN CNAME b.org.\nb.org. 30 IN CNAME c.org.\nc.org. 30 IN A 192.0.2.1"


def looked_up(request: Request, name: Name, qtype: int, /) -> Awaitable[Reply]:
    """A server that knows an address of every name, and truncates."""

    async def reply() -> Reply:
        text = f"{names.show(name)} 10 IN {codes.type_name(qtype)} 192.0.2.9"
        return Reply(answer=records(text), flags=codes.AA | codes.TC)

    return reply()


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("c.org d.net", ["a.org. 30 IN CNAME b.org.", "b.org. 30 IN CNAME d.net.", "d.net. 10 IN A 192.0.2.9"]),
        ("exact B.org d.net", ["a.org. 30 IN CNAME d.net.", "d.net. 10 IN A 192.0.2.9"]),
        ("prefix b.o d.o", ["a.org. 30 IN CNAME d.org.", "d.org. 10 IN A 192.0.2.9"]),
        ("suffix b.org. d.org.", ["a.org. 30 IN CNAME d.org.", "d.org. 10 IN A 192.0.2.9"]),
        ("substring b d", ["a.org. 30 IN CNAME d.org.", "d.org. 10 IN A 192.0.2.9"]),
        (r"regex (.*)\.org {1}.net", ["a.org. 30 IN CNAME b.net.", "b.net. 10 IN A 192.0.2.9"]),
        ("x.org d.net", ALIASES.splitlines()),
    ],
)
def test_an_alias_is_led_elsewhere_and_followed(rule: str, answer: list[str]) -> None:
    plugin = rewrite.setup(args(f"rewrite cname {rule}"))

    reply = ask(plugin, "a.org. A", rest=Reply(answer=records(ALIASES), keep=Keep()), ask=looked_up)

    assert texts(reply.answer) == answer
    is_changed = answer != ALIASES.splitlines()
    assert reply.flags == (codes.TC if is_changed else 0)
    assert (reply.keep is None) == is_changed


def test_an_alias_that_leads_to_no_name_is_a_failure() -> None:
    with pytest.raises(NoAnswer, match="invalid name after rewrite"):
        ask(rewrite.setup(args("rewrite cname substring b ..")), "a.org. A", rest=ALIASES)


LOCAL = Edns(1232, edns.pack_options([(0xFFEE, b"abc")]))


def optioned(directive: str, opt: Edns | None, given: Edns | None = None) -> tuple[Edns | None, Edns | None]:
    """The OPT that plugins below see, and that of the reply."""
    seen: list[Edns | None] = []

    def below(request: Request) -> Reply:
        seen.append(request.question.edns)
        return Reply(edns=given)

    reply = ask(rewrite.setup(args(directive)), question("a.org. A", edns=opt), rest=below)
    return seen[0], reply.edns


OURS, THEIRS = edns.pack_options([(0xFFEE, b"xyz")]), edns.pack_options([(0xFFEE, b"abc")])


@pytest.mark.parametrize(
    ("directive", "opt", "seen", "replied"),
    [
        ("rewrite edns0 local set 0xffee xyz", None, Edns(4096, OURS), Edns(4096, OURS)),
        ("rewrite edns0 local set 0xffee xyz revert", None, Edns(4096, OURS), Edns(4096)),
        ("rewrite edns0 local set 0xffee xyz", LOCAL, Edns(1232, OURS), Edns(1232, OURS)),
        ("rewrite edns0 local set 0xffee xyz revert", LOCAL, Edns(1232, OURS), Edns(1232, THEIRS)),
        ("rewrite edns0 local replace 0xffaa xyz", LOCAL, Edns(1232, THEIRS), Edns(1232)),
        ("rewrite name x.org 0xffee", LOCAL, Edns(1232, THEIRS), None),  # the server's own rules apply
    ],
)
def test_options_are_echoed_as_the_rules_leave_them(
    directive: str, opt: Edns | None, seen: Edns, replied: Edns | None
) -> None:
    assert optioned(directive, opt) == (seen, replied)


@pytest.mark.parametrize(("word", "left"), [("", OURS), (" revert", THEIRS)])
def test_the_options_of_a_reply_are_reverted_too(word: str, left: bytes) -> None:
    given = Edns(1400, OURS)

    assert optioned(f"rewrite edns0 local set 0xffee xyz{word}", LOCAL, given)[1] == Edns(1400, left)


@pytest.mark.parametrize("word", ["", " revert"])
def test_a_reply_without_the_option_stays_without_it(word: str) -> None:
    given = Edns(1400, edns.pack_options([(edns.EDE, b"\0\0")]))

    assert optioned(f"rewrite edns0 local set 0xffee xyz{word}", LOCAL, given)[1] == given


@pytest.mark.parametrize(
    ("directive", "kept"),
    [
        ("rewrite name a.org b.org", True),
        ("rewrite edns0 local set 0xffee abc", True),
        ("rewrite edns0 subnet set 24 56", False),
        ("rewrite continue name a.org b.org\nrewrite edns0 local set 0xffee {client_ip}", False),
    ],
)
def test_a_reply_is_kept_unless_a_rule_looks_at_the_client(directive: str, kept: bool) -> None:
    assert (ask(rewrite.setup(args(directive)), "a.org. A", rest=Reply(keep=Keep())).keep is not None) == kept


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("rewrite", "Corefile:2 - Error during parsing: no rule type specified for rewrite"),
        ("rewrite stop", "stop rule must begin with a rule type"),
        ("rewrite continue", "continue rule must begin with a rule type"),
        ("rewrite foo a b", 'invalid rule type "foo"'),
        ("rewrite stop {\n answer name a b\n name regex a b\n}", "response rewrites must begin with a name rule"),
        ("rewrite stop {\n name regex a b\n answer name b a\n name c\n}", "2 arguments required"),
        ("rewrite name a.org b.org {\n answer auto\n}", "Unexpected token '{', expecting argument"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        rewrite.setup(args(directive))
