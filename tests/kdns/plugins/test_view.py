"""view: which queries a block admits, and blocks that share a zone."""

from collections.abc import Callable

import pytest

from kdns.chain import Client
from kdns.errors import ConfigError
from kdns.plugins import view
from kdns.wire import codes
from tests.kdns.asking import args, ask, request, texts
from tests.kdns.server import Kdns

INSIDE = Client("10.1.2.3", 40212, "udp", "127.0.0.1", 53)


@pytest.mark.parametrize(
    ("expressions", "admitted"),
    [
        ([], True),
        (["name() == 'www.example.org.'"], True),
        (["name() == 'www.example.org.'", "type() == 'AAAA'"], False),
        (["incidr(client_ip(), '10.0.0.0/8')"], True),
        (["incidr(client_ip(), 'nonsense')"], False),
        (["name()"], False),
        (["metadata('view/x') == 'y'"], True),
        (["proto() == 'udp' && do() == false && class() == 'IN'"], True),
    ],
)
def test_admits_what_all_expressions_are_true_of(expressions: list[str], admitted: bool) -> None:
    lines = "\n".join(f"expr {expression}" for expression in expressions)
    made = view.setup(args(f"view inside {{\n{lines}\n}}"))
    asked = request("www.example.org. A", client=INSIDE, labels={"view/x": "y"})

    assert made.admits(asked) is admitted
    assert made.labels(asked) == {"view/name": "inside"}


def test_lets_every_reply_through() -> None:
    made = view.setup(args("view x"))
    assert texts(ask(made, "a. A", rest="a. 5 IN A 192.0.2.1").answer) == ["a. 5 IN A 192.0.2.1"]


@pytest.mark.parametrize(
    ("directive", "complaint"),
    [
        ("view", "Wrong argument count"),
        ("view a b", "Wrong argument count"),
        ("view a {\n expr invalid expression\n}", "Corefile:3 - Error during parsing: "),
        ("view a {\n foo bar\n}", "unknown property 'foo'"),
        ("view a\nview b", "this plugin can only be used once per Server Block"),
    ],
)
def test_says_what_is_wrong_in_the_corefile(directive: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        view.setup(args(directive))


VIEWS = """\
example.org:@PORT@ {
    bind 127.0.0.1
    metadata
    view local {
        expr incidr(client_ip(), '127.0.0.2/32')
    }
    hosts {
        192.0.2.2 www.example.org
    }
}
example.org:@PORT@ {
    bind 127.0.0.1
    view never {
        expr metadata('nothing') == 'x'
    }
    whoami
}
example.org:@PORT@ {
    bind 127.0.0.1
    view aliased {
        expr type() == 'A'
    }
    hosts {
        192.0.2.1 www.example.org
    }
}
"""


def test_the_first_block_that_admits_a_query_answers_it(kdns: Callable[[str], Kdns]) -> None:
    server = kdns(VIEWS)
    for _ in range(3):  # what one client was told is never what another is told
        assert server.answers("www.example.org. A") == ["www.example.org. 3600 IN A 192.0.2.1"]
        assert server.answers("www.example.org. A", source="127.0.0.2") == ["www.example.org. 3600 IN A 192.0.2.2"]
    assert server.ask("www.example.org. AAAA").rcode == codes.REFUSED
