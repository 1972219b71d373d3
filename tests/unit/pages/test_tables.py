"""What a table of a page is as a file."""

from datetime import date
from decimal import Decimal

from pipelines.pages.tables import tables_of
from pipelines.pages.words import Words


def columns_of(html: str) -> dict[str, list[object]]:
    """The columns of the only table by name."""
    [table] = tables_of(html)
    result = table.result(Words("en"))
    return dict(zip(result.columns, map(list, zip(*result.rows, strict=True)), strict=True))


def test_numbers_dates_and_words_have_columns_of_their_own() -> None:
    assert columns_of(
        """
        <table><caption>All, <data value="7">7</data></caption>
          <thead><tr><th>Rep</th><th>Value</th><th>Since</th>
            <th><span class="hidden">Chart</span></th><th>Due</th></tr></thead>
          <tbody>
            <tr><th>Ada<small>delta</small></th>
              <td><a href="/x"><data value="0.25" data-unit="rate">25 %</data></a> <span>few cases</span>
                <small>(<data value="3" data-part="of">3</data>)</small></td>
              <td><time datetime="2025-12-31">31 Dec</time></td><td><svg><text>25 %</text></svg></td><td></td></tr>
            <tr><th>Bo</th><td>–</td><td></td><td></td><td></td></tr>
          </tbody>
        </table>
        """
    ) == {
        "Rep": ["Ada delta", "Bo"],
        "Value": [Decimal("0.25"), None],
        "Value: of": [3, None],
        "Value: remark": ["few cases", None],
        "Since": [date(2025, 12, 31), None],
        "Due": [None, None],
    }


def test_cells_that_span_rows_and_columns_count_for_each() -> None:
    assert columns_of(
        """
        <table>
          <thead><tr><th>Source</th><th colspan="2">Spend</th><th>n</th></tr></thead>
          <tbody>
            <tr><th rowspan="2">ads</th><td><data value="5.5">5.50</data></td>
              <td><data value="-1" data-column="delta">−1</data></td><td><data value="2">2</data></td></tr>
            <tr><td><data value="6.5">6.50</data></td><td></td>
              <td data-header="Score"><data value="-2">−2</data></td></tr>
          </tbody>
        </table>
        """
    ) == {
        "Source": ["ads", "ads"],
        "Spend": [Decimal("5.5"), Decimal("6.5")],
        "Spend: change": [-1, None],
        "n": [2, None],
        "Score": [None, -2],
    }


def test_tables_are_called_as_what_is_around_them() -> None:
    html = """
    <div role="group" aria-label="A rather long name of a table on a page"><table><tr><td>1</td></tr></table></div>
    <figure><figcaption>December</figcaption><table><tr><td>2</td></tr></table></figure>
    """
    assert [table.name for table in tables_of(html)] == ["A rather long name of a tabl…", "December"]
