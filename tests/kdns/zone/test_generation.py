"""$GENERATE."""

import pytest

from kdns.zone.generation import generated


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("1-3 host$ A 10.0.0.$", ["host1 A 10.0.0.1", "host2 A 10.0.0.2", "host3 A 10.0.0.3"]),
        ("0-4/2 $ 60 IN PTR h$.x.", ["0 60 IN PTR h0.x.", "2 60 IN PTR h2.x.", "4 60 IN PTR h4.x."]),
        ("10-10 a${5} A 192.0.2.${-9}", ["a15 A 192.0.2.1"]),
        ("10-10 a${0,4,x} TXT $$ \\$", ["a000a TXT $ $"]),
        ("8-8 ${0,3,o} TXT ${0,2,X}", ["010 TXT 08"]),
    ],
)
def test_puts_numbers_in(line: str, made: list[str]) -> None:
    assert [" ".join(words) for words in generated(line.split())] == made


@pytest.mark.parametrize("line", ["3-1 a A b", "1 a A b", "1-2", "1-2/0 a A b", "0-65536 a A b", "1-1 a${-2} A b",
                                  "1-1 a${0,1,y} A b", "1-1 a${x} A b", "1-1 a${0,999} A b"])  # fmt: skip
def test_refuses_what_makes_no_lines(line: str) -> None:
    with pytest.raises(ValueError, match=r"\$GENERATE"):
        list(generated(line.split()))
