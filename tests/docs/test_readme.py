"""README.md and docs/ do what they say: their commands run, print what is shown, and their Corefiles answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kdns.wire import codes
from tests.corefiles import Surroundings
from tests.docs.fences import DOCUMENTS, Fence, check_output, commands, fences
from tests.system.demo import Demo

# Commands that are not run here, each with the reason; a block is passed over if its first line is one of them.
NOT_RUN = {
    "make up": "the demo that the other blocks run in is this, started by the fixture",
    "make test": "we are in it",
    "pip install . && kdns up": "installs; what it starts is what the fixture starts",
    "docker build -t kdns .": "there is no Docker where the tests run",
    "docker run --rm --dns 172.17.0.1 --dns-search svc.cluster.local busybox nslookup web.shop": "no Docker",
    "kubectl -n kube-system set image deployment/coredns coredns=registry.example/kdns:0.1.0": "needs a real cluster",
}
COREFILES = [
    pytest.param(document, fence, id=f"{document}:{fence.line}")
    for document in DOCUMENTS
    for fence in fences(document)
    if fence.language == "corefile"
]


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    made = Surroundings(tmp_path_factory.mktemp("corefiles"))
    yield made
    made.stop()


@pytest.mark.parametrize("document", [document for document in DOCUMENTS if any(commands(document))])
def test_the_commands_of_a_document_print_what_it_shows(document: str, tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    try:
        for command, shown in commands(document):
            if command.text.splitlines()[0] in NOT_RUN:
                continue
            said = demo.shell(f"set -e\nexport HOME={tmp_path}\n{command.text}")
            assert said.strip(), f"{document}:{command.line} prints nothing"
            if shown is not None:
                check_output(said, shown)
    finally:
        assert demo.stop() == 0
    assert "Traceback" not in demo.logs()


def test_every_command_that_is_not_run_stands_somewhere() -> None:
    firsts = {command.text.splitlines()[0] for document in DOCUMENTS for command, _ in commands(document)}
    assert NOT_RUN.keys() <= firsts


@pytest.mark.parametrize(("document", "fence"), COREFILES)
def test_a_corefile_answers(document: str, fence: Fence, surroundings: Surroundings) -> None:
    name = "kubernetes.default.svc.cluster.local" if "kubernetes" in fence.text else "www.example.org"
    with surroundings.started(fence.text, f"{Path(document).stem}-{fence.line}") as server:
        assert server.ask(f"{name}. A").rcode == codes.NOERROR
