"""The order of change sequence numbers, against BigQuery's rule applied to the numbers themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.sinks.sequence import padded

sections = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4)


@given(sections, sections, st.booleans())
def test_the_order_of_padded_texts_is_the_order_of_the_sections_as_numbers(
    left: list[int], right: list[int], upper: bool
) -> None:
    def text(numbers: list[int]) -> str:
        return "/".join(format(number, "X" if upper else "x") for number in numbers)

    assert (padded(text(left)) < padded(text(right))) == (left < right)
    assert (padded(text(left)) == padded(text(right))) == (left == right)


@pytest.mark.parametrize("text", ["", "/", "1/", "g", "0x1", "-1", "1/2/3/4/5", "1" * 17, "1\n", "١"])
def test_what_is_no_sequence_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="change sequence"):
        padded(text)
