import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mtlsr.metrics import MEASURES, Protocol
from mtlsr.runs.evaluation.measures import STANDARD
from mtlsr.runs.evaluation.results import Results
from mtlsr.runs.evaluation.tables import (
    comma_separated,
    latex,
    markdown,
    rich_table,
    sheet,
    write_tables,
)

PROTOCOL = Protocol.preset("literature", 4)
PUBLISHED = {"set5": {"EDSR": {"psnr_y": 32.09, "ssim_y": 0.8938}}}


@pytest.fixture
def results() -> Results:
    """Two methods whose PSNR is the same to two digits, on two data sets."""
    figures = {
        ("set5", "bicubic"): (28.4201, 0.8104), ("set5", "a_b|c"): (28.4249, 0.8),
        ("b100", "bicubic"): (25.96, 0.6675), ("b100", "a_b|c"): (27.0, 0.7),
    }  # fmt: skip
    rows = [
        {"dataset": d, "image": "1", "method": m, "psnr_y": psnr, "ssim_y": ssim}
        for (d, m), (psnr, ssim) in figures.items()
    ]
    settings = {"precision": "bfloat16"}
    return Results(PROTOCOL, STANDARD[:2], rows, settings, ("lpips is not measured.",))


def test_the_best_is_what_the_digits_shown_say(results: Results) -> None:
    lines = sheet(results).lines
    psnr, ssim = zip(*(line.best for line in lines), strict=True)
    assert psnr == (True, True, False, True)
    assert ssim == (True, False, False, True)


def test_less_is_better_where_it_is(results: Results) -> None:
    psnr, ssim = results.measures
    lower = (psnr, replace(ssim, higher_is_better=False))
    lines = sheet(replace(results, measures=lower)).lines
    assert [line.best[1] for line in lines] == [False, True, True, False]
    assert "SSIM-Y ↓" in markdown(sheet(replace(results, measures=lower)))


def test_the_title_says_scale_protocol_and_precision(results: Results) -> None:
    assert sheet(results).title == f"×4, protocol {PROTOCOL.hash}, precision bfloat16"


def test_terminal(results: Results) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(rich_table(sheet(results, PUBLISHED)))
    shown = console.export_text(styles=True)
    assert "\x1b[1m28.42" in shown
    assert "\x1b[1m25.96" not in shown
    assert "EDSR*" in shown
    assert "lpips is not measured." in shown


def test_the_terminal_shows_brackets_and_long_titles_whole() -> None:
    names = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "ms_ssim_y", "ms_ssim_rgb", "lr_psnr")
    row = {"dataset": "set5", "image": "1", "method": "[red]ours"} | dict.fromkeys(names, 0.5)
    note = "Not measured: lpips needs pip install 'mtlsr[perceptual]'."
    found = Results(PROTOCOL, tuple(MEASURES[name] for name in names), [row], notes=(note,))
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(rich_table(sheet(found)))
    shown = console.export_text()
    assert "[red]" in shown
    assert "mtlsr[perceptual]" in shown
    assert "…" not in shown


def test_markdown(results: Results) -> None:
    assert markdown(sheet(results, PUBLISHED)) == (
        f"×4, protocol {PROTOCOL.hash}, precision bfloat16.\n\n"
        "| data set | method | PSNR-Y | SSIM-Y | images |\n"
        "| --- | --- | ---: | ---: | ---: |\n"
        "| set5 | bicubic | **28.42** | **0.8104** | 1 |\n"
        "| set5 | a_b\\|c | **28.42** | 0.8000 | 1 |\n"
        "| set5 | EDSR* | 32.09 | 0.8938 |  |\n"
        "| b100 | bicubic | 25.96 | 0.6675 | 1 |\n"
        "| b100 | a_b\\|c | **27.00** | **0.7000** | 1 |\n\n"
        "lpips is not measured.\n\n"
        "* As published; shown beside, not ranked.\n"
    )


def test_latex_has_a_row_for_each_method_and_columns_for_each_data_set(results: Results) -> None:
    lines = latex(sheet(results, PUBLISHED)).splitlines()
    assert [line for line in lines if not line.startswith("%")] == [
        r"\begin{tabular}{lrrrr}",
        r"\toprule",
        r" & \multicolumn{2}{c}{set5} & \multicolumn{2}{c}{b100} \\",
        r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}",
        r"Method & PSNR-Y & SSIM-Y & PSNR-Y & SSIM-Y \\",
        r"\midrule",
        r"bicubic & \textbf{28.42} & \textbf{0.8104} & 25.96 & 0.6675 \\",
        r"a\_b|c & \textbf{28.42} & 0.8000 & \textbf{27.00} & \textbf{0.7000} \\",
        r"\midrule",
        r"EDSR\textsuperscript{*} & 32.09 & 0.8938 & -- & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_every_table_says_where_less_is_better() -> None:
    rows = [
        {"dataset": "set5", "image": "1", "method": method, "niqe": niqe}
        for method, niqe in (("bicubic", 6.4), ("ours", 5.1))
    ]
    shown = sheet(Results(PROTOCOL, (MEASURES["niqe"],), rows))
    assert "NIQE ↓" in markdown(shown)
    assert "**5.10**" in markdown(shown)
    assert r"Method & NIQE $\downarrow$ \\" in latex(shown)
    assert r"ours & \textbf{5.10} \\" in latex(shown)


def test_csv(results: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(sheet(results, PUBLISHED)))))
    assert len(rows) == 5
    assert rows[1] == {
        "dataset": "set5", "method": "a_b|c", "source": "measured",
        "psnr_y": "28.42", "ssim_y": "0.8000", "images": "1",
    }  # fmt: skip
    assert (rows[2]["source"], rows[2]["psnr_y"]) == ("published", "32.09")


def test_files(results: Results, tmp_path: Path) -> None:
    write_tables(tmp_path, sheet(results))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "table.csv", "table.md", "table.tex",
    ]  # fmt: skip
    assert (tmp_path / "table.tex").read_text() == latex(sheet(results))
