"""log: a line for every query that a rule wants one for."""

from collections.abc import Sequence

import pytest

from kdns.chain import Client, Keep, Reply
from kdns.errors import ConfigError, Dropped, NoAnswer
from kdns.plugins import log
from kdns.plugins.log import Clocks
from kdns.wire import codes, edns, records
from kdns.wire.edns import Edns
from tests.kdns.asking import Rest, args, ask, question, request
from tests.kdns.asking import records as rrs

ANSWER = "www.example.org. 30 IN A 192.0.2.1"
SOA = rrs("example.org. 30 IN SOA ns.example.org. root.example.org. 1 2 3 4 5")
NS = rrs("sub.example.org. 30 IN NS ns.sub.example.org.")
CLOCKS = Clocks(monotonic=lambda: 1000.000123456, unix=lambda: 1_700_000_000.0)


def logged(directive: str, *asked: str, rest: Rest = ANSWER, fields: dict[str, object] | None = None) -> list[str]:
    """The lines that these questions leave."""
    lines: list[str] = []
    plugin = log.logging(args(directive, log=lambda level, text: lines.append(f"{level} {text}")), CLOCKS)
    for each in asked:
        try:
            ask(plugin, request(each, **(fields or {})), rest)
        except (NoAnswer, Dropped):
            continue
    return lines


def test_the_common_format_is_that_of_coredns() -> None:
    assert logged("log", "www.Example.org. A") == [
        'LINE 127.0.0.1:40212 - 4711 "A IN www.example.org. udp 34 false 512" NOERROR qr,rd 64 0.000123456s'
    ]


def test_an_answer_that_was_not_written_is_logged_as_the_server_will_send_it() -> None:
    (line,) = logged("log", "www.example.org. A", rest=NoAnswer(codes.SERVFAIL, "i/o timeout"))

    assert line.endswith('" SERVFAIL qr,rd 33 0.000123456s')


def test_a_dropped_query_is_logged_without_a_reply() -> None:
    assert logged("log . {rcode}|{>rflags}|{rsize}", "www.example.org. A", rest=Dropped()) == ["LINE -|-|0"]


FIELDS = {
    "{type} {class} {name}": "A IN www.example.org.",
    "{proto} {size}": "udp 34",
    "{remote} {port} {local}": "127.0.0.1 40212 127.0.0.1",
    "{>id} {>opcode} {>do} {>bufsize}": "4711 0 false 512",
    "{rcode} {>rflags} {rsize}": "NOERROR qr,rd 64",
    "{duration}": "0.000123456s",
    "{combined}": '127.0.0.1:40212 - 4711 "A IN www.example.org. udp 34 false 512" NOERROR qr,rd 64 0.000123456s "0"',
    "{when} {{type}} } {": "{when} {A} } {",  # what is no placeholder stays
    "{/kubernetes/client-namespace}": "-",
    "%s {name}%d": "%s www.example.org.%d",
}


@pytest.mark.parametrize(("form", "text"), FIELDS.items())
def test_placeholders_stand_for_what_they_say(form: str, text: str) -> None:
    assert logged(f"log . {quoted(form)}", "www.Example.org. A") == [f"LINE {text}"]


def quoted(form: str) -> str:
    return '"' + form.replace('"', '\\"') + '"'


@pytest.mark.parametrize(
    ("client", "form", "text"),
    [
        (Client("2001:db8::1", 53, "tcp", "::1", 53), "{remote}:{port} {local}", "[2001:db8::1]:53 [::1]"),
        (Client("192.0.2.1", 53, "tcp", "192.0.2.9", 53), "{proto} {>bufsize} {local}", "tcp 65535 192.0.2.9"),
    ],
)
def test_the_clients_address_and_transport_are_shown(client: Client, form: str, text: str) -> None:
    assert logged(f'log . "{form}"', "www.example.org. A", fields={"client": client}) == [f"LINE {text}"]


@pytest.mark.parametrize(
    ("opt", "text"), [(Edns(1232, flags=edns.DO), "true 1232"), (Edns(100), "false 512"), (None, "false 512")]
)
def test_the_opt_record_of_the_query_is_shown(opt: Edns | None, text: str) -> None:
    asked = question("www.example.org. A", edns=opt)

    assert logged('log . "{>do} {>bufsize}"', "www.example.org. A", fields={"question": asked}) == [f"LINE {text}"]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply(flags=codes.AA | codes.TC | codes.RA | codes.AD), "NOERROR qr,aa,tc,rd,ra,ad 33"),
        (Reply(codes.NXDOMAIN, authority=SOA), "NXDOMAIN qr,rd 110"),
        (Reply(codes.BADVERS, edns=Edns(1232)), "BADVERS qr,rd 44"),
        (Reply(3841), "3841 qr,rd 33"),
    ],
)
def test_the_reply_is_shown(reply: Reply, text: str) -> None:
    assert logged('log . "{rcode} {>rflags} {rsize}"', "www.example.org. A", rest=reply) == [f"LINE {text}"]


@pytest.mark.parametrize(("labels", "text"), [(None, "-"), ({}, "-"), ({"a/b": ""}, ""), ({"a/b": "c"}, "c")])
def test_metadata_is_shown_as_it_is_once_the_reply_is_there(labels: dict[str, str] | None, text: str) -> None:
    assert logged('log . "x{/a/b}"', "www.example.org. A", fields={"labels": labels}) == [f"LINE x{text}"]


@pytest.mark.parametrize(
    ("directive", "names"),
    [
        ("log . {name}", ["example.org.", "www.example.org.", "example.net."]),
        ("log Example.org {name}", ["example.org.", "www.example.org."]),
        ("log www.example.org. net {name}", ["www.example.org.", "example.net."]),
        ("log {name}", []),  # one word is a name
        ("log example.org. {name}\nlog net {name}{name}", ["example.org.", "www.example.org.", "example.net." * 2]),
        ("log www.example.org {type}\nlog org {name}", ["example.org.", "A"]),  # the first that fits
    ],
)
def test_a_rule_holds_for_the_names_below_its_own(directive: str, names: list[str]) -> None:
    assert logged(directive, "example.org. A", "www.example.org. A", "example.net. A") == [f"LINE {n}" for n in names]


REPLIES: dict[str, tuple[str, Rest]] = {
    "an answer": ("success", ANSWER),
    "an empty answer without SOA": ("success", Reply()),
    "a referral": ("success", Reply(authority=NS)),
    "an alias that leads nowhere": ("success", Reply(answer=rrs("www.example.org. 1 IN CNAME a.org."), authority=SOA)),
    "NODATA": ("denial", Reply(authority=SOA)),
    "NXDOMAIN": ("denial", Reply(codes.NXDOMAIN, authority=SOA)),
    "NXDOMAIN without SOA": ("denial", Reply(codes.NXDOMAIN)),
    "NXDOMAIN with an answer": ("error", Reply(codes.NXDOMAIN, answer=rrs(ANSWER))),
    "REFUSED": ("error", Reply(codes.REFUSED)),
    "SERVFAIL that nobody wrote": ("error", NoAnswer(codes.SERVFAIL)),
    "no reply": ("error", Dropped()),
}


@pytest.mark.parametrize("kind", REPLIES)
@pytest.mark.parametrize("wanted", ["success", "denial", "error"])
def test_only_replies_of_the_wanted_classes_are_logged(kind: str, wanted: str) -> None:
    found, rest = REPLIES[kind]

    lines = logged(f'log . "{{name}}" {{\n class {wanted}\n}}', "www.example.org. A", rest=rest)

    assert bool(lines) == (found == wanted)


TYPES: dict[str, tuple[str, Rest, str]] = {
    "an answer": ("www.example.org. A", ANSWER, "NOERROR success"),
    "nothing at all": ("www.example.org. A", Reply(), "NOERROR success"),
    "a referral": ("www.example.org. A", Reply(authority=NS), "DELEGATION success"),
    "no such type": ("www.example.org. A", Reply(authority=SOA), "NODATA denial"),
    "no such name": ("www.example.org. A", Reply(codes.NXDOMAIN, authority=SOA), "NXDOMAIN denial"),
    "a failure": ("www.example.org. A", NoAnswer(codes.SERVFAIL), "SERVERERROR error"),
    "a refusal": ("www.example.org. A", NoAnswer(codes.REFUSED), "OTHERERROR error"),
    "no reply": ("www.example.org. A", Dropped(), "OTHERERROR error"),
    "a transfer": ("example.org. AXFR", Reply(answer=SOA), "META error"),
}


@pytest.mark.parametrize(("asked", "rest", "found"), TYPES.values(), ids=TYPES)
def test_what_a_reply_is_becomes_metadata(asked: str, rest: Rest, found: str) -> None:
    labels: dict[str, str] = {}
    lines = logged('log . "{/log/type} {/log/class}"', asked, rest=rest, fields={"labels": labels})
    assert lines == [f"LINE {found}"]
    assert labels == dict(zip(("log/type", "log/class"), found.split(), strict=True))


@pytest.mark.parametrize("classes", ["all", "success denial error", "denial\n class error\n class success"])
def test_classes_add_up(classes: str) -> None:
    rests: Sequence[Rest] = [ANSWER, Reply(authority=SOA), NoAnswer()]

    assert all(logged(f"log . {{\n class {classes}\n}}", "www.example.org. A", rest=rest) for rest in rests)


@pytest.mark.parametrize(
    ("expiration", "do", "found"), [(1, True, "error"), (1, False, "success"), (2**31, True, "success")]
)
def test_expired_signatures_are_an_error_for_who_wants_signatures(expiration: int, do: bool, found: str) -> None:
    signature = b"\0\1\5\2" + bytes(4) + expiration.to_bytes(4, "big") + bytes(4) + b"\0\0\0"
    rrsig = records.make(b"\0", codes.RRSIG, 30, signature)
    asked = question("www.example.org. A", edns=Edns(1232, flags=edns.DO if do else 0))

    assert log.classify(request(asked), Reply(answer=(rrsig,)), 1_700_000_000) == found


def test_a_transfer_counts_as_an_error() -> None:
    assert log.classify(request("example.org. AXFR"), Reply(answer=SOA), 0) == "error"


@pytest.mark.parametrize(
    ("directive", "kept"),
    [("log", False), ("log . {\n class error\n}", True), ("log net", True)],
)
def test_what_is_logged_is_not_sent_again_unlogged(directive: str, kept: bool) -> None:
    plugin = log.setup(args(directive))

    reply = ask(plugin, "www.example.org. A", rest=Reply(answer=rrs(ANSWER), keep=Keep()))

    assert (reply.keep is not None) == kept


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("log {\n class abracadabra\n}", "invalid Class: abracadabra"),
        ("log {\n class\n}", "Wrong argument count or unexpected line ending after 'class'"),
        ("log {\n unknown\n}", "unknown property 'unknown'"),
        (f"log {'a' * 64}.org", "label of 64 octets"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        log.setup(args(directive))
