"""report.html in a browser and as a file."""

import csv
import json
import re
import shutil

import numpy as np
import pytest

from mtlsr.runs.pictures import read_panel, write_panel
from mtlsr.sweeps import details
from mtlsr.sweeps.jobs import collect
from mtlsr.sweeps.leaderboard import leaderboard
from mtlsr.sweeps.page import page
from mtlsr.sweeps.page.figures import responses
from tests.sweeps.made import write_job, write_sweep

RNG = np.random.default_rng(0)
BASE = np.linspace(25, 32, 6)
PAIRS = ("smoothness~realism", "realism~structure", "smoothness~structure")


def write_curves(folder, weight):
    """Forty logged steps of stage 2."""
    names = [f"restoration/{term}/weighted" for term in ("smoothness", "realism")]
    names += [f"restoration/cosine/{pair}" for pair in PAIRS]
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "restoration/val/psnr_y", "restoration/loss", *names])
        for step in range(40):
            validated = 25 + step / 40 if step % 10 == 0 else ""
            writer.writerow([step, validated, 1 / (step + 1), 0.3, weight, 0.5, -0.25, 0.1])


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of three values of λ2 under two seeds, one job of which failed with markup."""
    folder = write_sweep(
        tmp_path_factory.mktemp("made") / "sweep", "loss.lambda2=0,1,10", "seed=0,1"
    )
    hr = RNG.integers(0, 256, (200, 180, 3), dtype=np.uint8)
    for number in range(6):
        value, seed = (0, 1, 10)[number // 2], number % 2
        given = [f"loss.lambda2={value}", f"seed={seed}"]
        if number == 5:
            said = "ValueError: </script><img src=http://example.invalid/x>"
            write_job(folder, number, given, status="failed", error=said)
            continue
        own = BASE + 0.3 * (number // 2) + RNG.normal(0, 0.01, 6)
        figures = {"set": {"bicubic": BASE - 1, "mtlsr": own}, "other": {"mtlsr": own - 1}}
        job = write_job(folder, number, given, figures, started="2026-01-02T03:04:05+00:00")
        (job / "terms.json").write_text(json.dumps({"set": {"realism": 1e-3 / (1 + value)}}))
        write_curves(job, 0.1 * (1 + value))
        noisy = np.clip(hr + RNG.normal(0, 10, hr.shape), 0, 255).astype(np.uint8)
        for stem in ("one", "two"):
            panel = {"LR": hr // 2, "bicubic": hr // 3, "ours": noisy, "HR": hr}
            write_panel(job / "pictures" / f"{stem}.png", panel)
    return page.write(folder, leaderboard([folder], None, ["psnr_y", "ssim_y"]))


def test_the_page_holds_all_that_it_shows(report):
    text = report.read_text()
    for said in ("Do the terms agree?", "Shares of the loss", "Quality against perception"):
        assert said in text
    assert "PSNR-Y against loss.lambda2" in text
    assert "ValueError: &lt;/script&gt;&lt;img src=http" in text
    assert not re.findall(
        r"<(?:script|link|img)[^>]*(?:src|href)=[\"']?(?!data:)[^\s>\"']", text[:20000]
    )


def test_the_size_of_twenty_jobs_is_below_15_megabytes(tmp_path):
    """Noise as pictures: nothing is larger."""
    hr = RNG.integers(0, 256, (170, 170, 3), dtype=np.uint8)
    for number in range(20):
        job = write_job(tmp_path / "s", number, [f"x={number}"], {"set": {"mtlsr": BASE + number}})
        ours = RNG.integers(0, 256, hr.shape, dtype=np.uint8)
        for stem in "abcdef":
            panel = {"LR": hr, "bicubic": hr, "ours": ours, "HR": hr}
            write_panel(job / "pictures" / f"{stem}.png", panel)
        write_curves(job, 0.1)
    path = page.write(tmp_path, leaderboard([tmp_path / "s"], None, ["psnr_y"]))
    assert path.stat().st_size < 15e6


def test_an_unfinished_sweep_has_a_page_too(tmp_path):
    write_job(tmp_path / "s", 0, [], status="running")
    text = page.write(tmp_path, leaderboard([tmp_path / "s"], None, ["psnr_y"])).read_text()
    assert "1 unfinished" in text and "Leaderboard" not in text


def test_a_panel_comes_apart_as_it_was_put_together(tmp_path):
    parts = {name: RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8) for name in "abc"}
    write_panel(tmp_path / "panel.png", parts)
    for found, part in zip(read_panel(tmp_path / "panel.png", 3), parts.values(), strict=True):
        np.testing.assert_array_equal(found, part)


def test_what_was_logged_is_read_back(report):
    curves = details.logged(collect(report.parent)[2])
    assert curves["restoration/val/psnr_y"] == ([0, 10, 20, 30], [25, 25.25, 25.5, 25.75])
    assert details.shares(curves) == pytest.approx({"smoothness": 0.6, "realism": 0.4})
    assert details.cosines(curves) == dict(zip(PAIRS, (0.5, -0.25, 0.1), strict=True))
    long = list(map(float, range(1000)))
    steps, values = details.thinned((long, long))
    assert len(steps) <= details.POINTS and steps[-1] == values[-1] == 999


def test_a_response_is_drawn_where_one_value_alone_changes(report, tmp_path):
    swept = leaderboard([report.parent], None, ["psnr_y"])
    assert responses(swept, swept.boards[0], "loss.lambda2") is not None
    for number in range(3):  # a search: two values change at once
        given = [f"a={number}", f"b={2 * number}"]
        write_job(tmp_path / "s", number, given, {"set": {"mtlsr": BASE + number}})
    searched = leaderboard([tmp_path / "s"], None, ["psnr_y"])
    assert responses(searched, searched.boards[0], "a") is None


def test_a_response_of_a_single_point_is_left_out(tmp_path):
    """One seed and one image: nothing can be compared, and the baseline's zero would be alone."""
    for number in range(2):
        figures = {"set": {"mtlsr": BASE[:1] + number}}
        write_job(tmp_path / "s", number, [f"loss.lambda2={number}"], figures)
    found = leaderboard([tmp_path / "s"], None, ["psnr_y"])
    assert responses(found, found.boards[0], "loss.lambda2") is None


def test_over_a_decade_a_response_stands_on_a_logarithmic_axis_that_names_its_values(tmp_path):
    for number, value in enumerate(("0.03", "0.5", "2")):
        figures = {"set": {"mtlsr": BASE + number}}
        write_job(tmp_path / "s", number, [f"loss.lambda2={value}"], figures)
    found = leaderboard([tmp_path / "s"], None, ["psnr_y"])
    axis = responses(found, found.boards[0], "loss.lambda2").layout.xaxis
    assert (axis.type, axis.ticktext) == ("log", ("0.03", "0.5", "2"))


def test_who_was_judged_by_another_stage_1_is_not_shown_beside_the_others(tmp_path):
    for number, key in enumerate(("a", "a", None, "b")):
        job = write_job(
            tmp_path / "s",
            number,
            [f"x={number}"],
            {"set": {"mtlsr": BASE + number}},
            stage1={"key": key} if key else None,
        )
        (job / "terms.json").write_text(json.dumps({"set": {"realism": 1e-3 * (4 - number)}}))
    found = leaderboard([tmp_path / "s"], None, ["psnr_y"])
    assert details.distances(found, "set") == {"x=0": 4e-3, "x=1": 3e-3}
    assert details.distances(leaderboard([tmp_path / "s"], "x=3", ["psnr_y"]), "set") == {
        "x=3": 1e-3
    }


def test_gram_distances_are_means_over_the_seeds_that_all_variants_have(tmp_path):
    """Each seed has a judge of its own: without it, the second variant would be 14 % worse."""
    judged = [(0, 0, 0.030), (0, 1, 0.023), (0, 2, 0.017), (1, 0, 0.030), (1, 1, 0.023)]
    for number, (value, seed, distance) in enumerate(judged):
        given = [f"x={value}", f"seed={seed}"]
        key = {"key": str(seed)}
        job = write_job(tmp_path / "s", number, given, {"set": {"mtlsr": BASE}}, stage1=key)
        (job / "terms.json").write_text(json.dumps({"set": {"realism": distance}}))
    found = leaderboard([tmp_path / "s"], None, ["psnr_y"])
    assert details.distances(found, "set") == pytest.approx({"x=0": 0.0265, "x=1": 0.0265})


def test_a_stage_1_that_was_given_judges_by_its_own_folder(tmp_path):
    for number, given in enumerate(("runs/a", "runs/b")):
        figures = {"set": {"mtlsr": BASE + number}}
        config = {"stage1": given}
        job = write_job(tmp_path / "s", number, [f"stage1={given}"], figures, config=config)
        (job / "terms.json").write_text(json.dumps({"set": {"realism": 1e-3}}))
    found = leaderboard([tmp_path / "s"], None, ["psnr_y"])
    assert list(details.distances(found, "set")) == ["stage1=runs/a"]


def test_the_weights_that_a_run_begins_with_judge_where_it_trains_no_stage_1(tmp_path):
    for number, given in enumerate(("runs/a", "runs/b")):
        figures = {"set": {"mtlsr": BASE + number}}
        config = {"stages": ["restoration"], "init": given}
        job = write_job(tmp_path / "s", number, [f"init={given}"], figures, config=config)
        (job / "terms.json").write_text(json.dumps({"set": {"realism": 1e-3}}))
    found = leaderboard([tmp_path / "s"], None, ["psnr_y"])
    assert list(details.distances(found, "set")) == ["init=runs/a"]


def test_a_stage_1_of_two_codes_judges_its_own_job_alone(tmp_path):
    for number in range(2):
        figures = {"set": {"mtlsr": BASE + number}}
        key = {"key": None, "trained_by": f"s/{number}"}
        job = write_job(tmp_path / "s", number, [f"x={number}"], figures, stage1=key)
        (job / "terms.json").write_text(json.dumps({"set": {"realism": 1e-3}}))
    found = leaderboard([tmp_path / "s"], None, ["psnr_y"])
    assert list(details.distances(found, "set")) == ["x=0"]


OVERLAPPING = """[...document.querySelectorAll(".js-plotly-plot")].flatMap(plot => {
  const texts = [...plot.querySelectorAll(".xtick text, .ytick text, .xtitle, .legendtext")];
  const boxes = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
  const beside = (a, b) => a.right <= b.left || a.bottom <= b.top;
  const apart = (a, b) => beside(a, b) || beside(b, a);
  const pairs = boxes.flatMap(([name, a], i) =>
    boxes.slice(i + 1).filter(([, b]) => !apart(a, b)).map(([other]) => [name, other]));
  const svg = plot.querySelector("svg.main-svg").getBoundingClientRect();
  const cut = boxes.filter(([, a]) => a.left < svg.left - 1 || a.right > svg.right + 1);
  return [...pairs, ...cut.map(([name]) => [name, "the figure's edge"])];
})"""
"""Words in figures that lie over each other or are cut off."""


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium of the system."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_page_works_in_a_browser(browser, report, width, height):
    touch = width < 500
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=touch)
    opened, requests, complaints = context.new_page(), [], []
    opened.on("request", lambda request: requests.append(request.url))
    opened.on("console", lambda said: complaints.append(said.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(report.as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") <= width

    def column(index):
        rows = "[...document.querySelectorAll('#set0 tbody tr')]"
        return opened.evaluate(f"i => {rows}.map(row => row.cells[i].dataset.key)", index)

    head = opened.locator("#set0 th button")
    head.nth(0).click()
    assert column(0) == ["10.0", "1.0", "0.0", "bicubic"]
    head.nth(2).click()
    scores = [float(value) for value in column(2)]
    assert scores == sorted(scores, reverse=True)
    head.nth(2).click()
    assert [float(value) for value in column(2)] == sorted(scores)

    opened.locator("[role=tab]").nth(1).click()
    assert opened.locator("#set1").is_visible() and not opened.locator("#set0").is_visible()

    slider = opened.locator("#slider")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    opened.mouse.down()
    opened.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
    opened.mouse.up()
    cut = opened.evaluate("document.querySelector('.frame').style.getPropertyValue('--cut')")
    assert float(cut.rstrip("%")) > 80

    opened.locator("[data-zoom='2']").click()
    sizes = opened.evaluate(
        "[...document.querySelectorAll('.viewer img')]"
        ".map(i => i.getBoundingClientRect().width / i.parentElement.getBoundingClientRect().width)"
    )
    assert len(sizes) == 2 + 3 + 3
    assert sizes == pytest.approx([2] * len(sizes), rel=1e-3)
    tile = opened.locator(".tile div").last
    tile.scroll_into_view_if_needed()
    before = opened.locator(".tile img").first.bounding_box()["x"]
    box = tile.bounding_box()
    opened.mouse.move(box["x"] + 50, box["y"] + 50)
    opened.mouse.down()
    opened.mouse.move(box["x"] + 80, box["y"] + 50, steps=3)
    opened.mouse.up()
    first = opened.locator(".tile img").first.bounding_box()["x"]
    assert first == pytest.approx(before + 30, abs=2)
    opened.locator("[data-zoom='0']").click()
    tile.click()
    assert opened.locator(".tag.right").text_content() == "HR"

    for place in opened.locator(".plot:visible").all():
        place.scroll_into_view_if_needed()
        place.locator("svg.main-svg").first.wait_for()
    opened.locator("#theme").click()
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests)
    assert complaints == []
    context.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_words_in_figures_are_whole_and_do_not_touch(browser, tmp_path, width):
    for number, (experiment, steps) in enumerate((("null", 3000), ("joint", 3560))):
        given = [f"experiment={experiment}", f"schedule.restoration.steps={steps}"]
        figures = {"set": {"bicubic": BASE - 1, "mtlsr": BASE + 1e-4 * number}}
        job = write_job(tmp_path / "s", number, given, figures)
        (job / "terms.json").write_text(json.dumps({"set": {"realism": 1e-4 / (1 + number)}}))
        write_curves(job, 0.1)
    path = page.write(tmp_path, leaderboard([tmp_path / "s"], None, ["psnr_y"]))
    opened = browser.new_page(viewport={"width": width, "height": 900})
    opened.goto(path.as_uri())
    for place in opened.locator(".plot").all():
        place.scroll_into_view_if_needed()
        place.locator("svg.main-svg").first.wait_for()
    found = opened.evaluate(OVERLAPPING)
    assert not found, str(found)
    opened.close()
