"""A narrative is formatting with something to read; nothing in it runs, loads or expands."""

import pytest

from shared.fhir.validation.narrative import xhtml

OPEN = '<div xmlns="http://www.w3.org/1999/xhtml">'


def div(content: str) -> str:
    return f"{OPEN}{content}</div>"


@pytest.mark.parametrize(
    "content",
    [
        "<p><b>Generated</b> on <i>Tuesday</i></p>",
        '<table class="grid" border="1"><tbody><tr><td colspan="2">72</td></tr></tbody></table>',
        '<a href="Patient/p1">Chalmers</a>, <a href="https://example.org/x">more</a>',
        '<p style="color: red; width: 5%">x</p>',
        '<img src="#photo" alt="the patient"/>',
        "<!-- written by hand --> x",
        "Müller &lt; 5 &amp; 佐藤 &#65;",
        "a <br/> b <br /> c",
        '<p title="a > b">x</p>',
    ],
)
def test_formatting_links_and_images_pass(content: str) -> None:
    assert xhtml(div(content)) is None


@pytest.mark.parametrize(
    "content",
    [
        "<script>x()</script>",
        '<p onclick="x()">x</p>',
        '<p ONCLICK="x()">x</p>',
        "<iframe>x</iframe>",
        "<object>x</object>",
        '<form action="x"><input name="x"/></form>',
        '<link rel="stylesheet" href="x.css"/>x',
        "<style>p {}</style>x",
        "<font>x</font>",
        '<a href="javascript:x()">x</a>',
        '<a href=" JavaScript:x()">x</a>',
        '<a href="java&#115;cript:x()">x</a>',
        '<img src="data:text/html,x" alt="x"/>',
        '<p style="width: expression(x())">x</p>',
        '<p style="@import url(x.css)">x</p>',
        "<?php x ?>x",
        "<p>x",
        "<p>x</b>",
        "x &nbsp; y",
        "<svg/>x",
        '<x:p xmlns:x="http://www.w3.org/1999/xhtml">x</x:p>',
        '<p class="a" class="b">x</p>',
    ],
)
def test_whatever_else_is_refused(content: str) -> None:
    assert xhtml(div(content)) == "txt-1"


def test_no_entity_can_be_declared_and_none_expands() -> None:
    bomb = '<!DOCTYPE div [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;">]>' + div("&b;")
    assert xhtml(bomb) == "txt-1"


@pytest.mark.parametrize("text", ["plain", "<p>x</p>", "<div>x</div>", f"{OPEN}x</div><p>y</p>", f" {OPEN}x"])
def test_it_is_one_div_of_xhtml(text: str) -> None:
    assert xhtml(text) == "txt-1"


@pytest.mark.parametrize("content", ["", " ", "<p> </p>", "<p></p>"])
def test_an_empty_one_is_refused(content: str) -> None:
    assert xhtml(div(content)) == "txt-2"


def test_a_frame_that_was_never_filled_is_worth_a_warning() -> None:
    assert xhtml(div("\n  <pre>\n  </pre>\n")) == "narrative-unfilled"


def test_half_a_surrogate_pair_is_no_text() -> None:
    assert xhtml(div("\ud800")) == "txt-1"


def test_it_is_a_string_of_at_most_a_megabyte() -> None:
    assert xhtml(5) == "json-type"
    assert xhtml("") == "format"
    assert xhtml(div("x" * 1024 * 1024)) == "format"
