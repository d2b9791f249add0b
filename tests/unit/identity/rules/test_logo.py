import pytest

from guilder.domain.identity.rules.logo import BYTES_MAX, BadLogo, checked_logo

NS = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def svg(inside: str = "", more: str = "") -> str:
    return f"<svg {NS} {more}>{inside}</svg>"


@pytest.mark.shows("ASVS 5.2.2")
@pytest.mark.parametrize(
    "good",
    [
        "",
        svg('<rect width="10" height="10" fill="#c00"/>'),
        svg('<defs><linearGradient id="a"><stop offset="0"/></linearGradient></defs><path fill="url(#a)" d="M0 0h9"/>'),
        svg('<use xlink:href="#a"/><text x="1">Acme</text>'),
        '<?xml version="1.0" encoding="UTF-8"?>\n' + svg("<!-- drawn by hand --><g/>"),
    ],
)
def test_takes_what_only_draws(good):
    assert checked_logo(good) == good


@pytest.mark.shows("ASVS 1.3.4", "ASVS 5.2.1", "ASVS 5.2.2", "ASVS 5.2.6", "fault H5")
@pytest.mark.parametrize(
    "bad",
    [
        svg("<script>alert(1)</script>"),
        svg("<foreignObject/>"),
        svg("<style>*{}</style>"),
        svg('<image href="https://evil.example/x.png"/>'),
        svg('<a href="#x"/>'),
        svg('<animate attributeName="href" to="javascript:alert(1)"/>'),
        svg('<set attributeName="onload" to="x"/>'),
        svg('<use href="https://evil.example/x.svg#a"/>'),
        svg('<use xlink:href="data:image/svg+xml,x"/>'),
        svg('<rect fill="url(https://evil.example/x)"/>'),
        svg('<rect style="background:u\\72l(x)"/>'),
        svg('<rect OnClick="x()"/>'),
        svg(more='onload="alert(1)"'),
        svg(more='xml:base="https://evil.example/"'),
        f'<!DOCTYPE svg [<!ENTITY a "aaaa">]>{svg("&a;")}',
        f'<?xml-stylesheet href="https://evil.example/x.css"?>{svg()}',
        svg("<![CDATA[x]]>"),
        "<svg><rect/></svg>",
        "<html/>",
        "no xml at all",
        svg("<g>"),
        svg("<g/>" * 2_001),
        svg("x" * BYTES_MAX),
        svg("é" * (BYTES_MAX // 2)),
    ],
)
def test_refuses_what_does_more_and_names_the_field(bad):
    with pytest.raises(BadLogo) as refusal:
        checked_logo(bad)
    assert refusal.value.field == "logo_svg"
