"""The pages as a person meets them, in a browser; where there are Gradio 6 and a Chromium."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from mtlsr import Upscaler
from mtlsr.data.images import read_image, write_image
from mtlsr.pages.votes import pairs
from tests.conftest import Command

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


def has_gradio() -> bool:
    try:
        return int(version("gradio").split(".")[0]) >= 6
    except PackageNotFoundError:
        return False


in_a_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_gradio(), reason="Gradio 6 is not installed: the extra demo"),
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium"),
]


def marked(test: Callable[..., None]) -> Callable[..., None]:
    for mark in in_a_browser:
        test = mark(test)
    return test


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[str]:
    """Serve a page and yield its address; the process is interrupted as by Ctrl-C."""
    repository = Path(__file__).resolve().parents[1]
    path = os.pathsep.join(filter(None, [str(repository), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-m", "mtlsr.demo", "port=0", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@contextmanager
def opened(address: str) -> Iterator[Any]:
    """The page in a headless browser, which is to ask nobody else for anything."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        try:
            yield page
        finally:
            browser.close()
        hosts = {urlsplit(url).netloc for url in asked if urlsplit(url).scheme != "data"}
        assert hosts - {""} == {urlsplit(address).netloc}
        assert errors == []


@marked
def test_upload_slide_download(tmp_path: Path, tiny_model: Path) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    photograph = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    write_image(tmp_path / "photo (1).png", photograph)
    write_image(tmp_path / "large.png", np.zeros((200, 300, 3), np.uint8))
    with (
        served(tmp_path, f"model={tiny_model}", "pixels=50000") as address,
        opened(address) as page,
    ):
        page.set_input_files("input[type=file]", tmp_path / "photo (1).png")
        page.wait_for_selector("table.realism")
        assert page.locator("table.realism tr").count() == 5
        for label in ("Structure", "Texture"):
            page.wait_for_selector(f"img[src*='{label.lower()}']")

        handle = (
            page.locator(".slider-wrap .icon-wrap").or_(page.locator(".outer .icon-wrap")).first
        )
        middle = handle.bounding_box()
        x, y = middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 150, y, steps=5)
        page.mouse.up()
        moved = handle.bounding_box()
        assert moved["x"] == pytest.approx(middle["x"] + 150, abs=3)

        with page.expect_download() as download:
            page.get_by_text("Download", exact=True).click()
        assert download.value.suggested_filename == "photo (1)_x2.png"
        download.value.save_as(tmp_path / "got.png")
        expected = Upscaler.from_pretrained(tiny_model)(photograph)
        np.testing.assert_array_equal(read_image(tmp_path / "got.png"), expected)

        page.get_by_label("Clear").first.click()
        page.set_input_files("input[type=file]", tmp_path / "large.png")
        page.wait_for_selector("text=it has 300x200 pixels, and this page takes 50000 at the most")


def judged(folder: Path) -> None:
    """Three pictures by two programs."""
    for program, level in (("a", 40), ("b", 200)):
        (folder / program).mkdir()
        for name in ("one", "two", "three"):
            Image.new("RGB", (80, 60), (level, 0, 0)).save(folder / program / f"{name}.png")


@marked
def test_a_pair_is_judged_once_by_somebody_who_presses_twice(tmp_path: Path) -> None:
    judged(tmp_path)
    with served(tmp_path, "ab=a,b", "votes=said.csv") as address, opened(address) as page:
        for number in (1, 2, 3):
            page.wait_for_selector(f"text=Pair {number} of 3")
            page.evaluate(  # within one step of the browser: nothing new is shown in between
                """() => {
                    for (const word of ["Left is better", "Right is better"])
                        [...document.querySelectorAll("button")]
                            .find((button) => button.textContent.trim() === word).click();
                }"""
            )
        page.wait_for_selector("text=/Thank you. Better: A \\d, B \\d, neither 0/")
        page.wait_for_timeout(2_000)
        assert page.get_by_text("Error").count() == 0
    with (tmp_path / "said.csv").open(newline="") as file:
        votes = list(csv.DictReader(file))
    assert sorted(vote["image"] for vote in votes) == ["one", "three", "two"]


@marked
def test_a_person_judges_without_names(tmp_path: Path) -> None:
    judged(tmp_path)
    with served(tmp_path, "ab=a,b", "votes=said.csv") as address, opened(address) as page:
        for number, button in enumerate(("Left", "Right", "No difference"), 1):
            page.wait_for_selector(f"text=Pair {number} of 3")
            assert page.locator("text=/\\b(A|B)\\b/").count() == 0
            page.get_by_role("button", name=button).click()
        page.wait_for_selector("text=/Thank you. Better: A \\d, B \\d, neither 1/")
    with (tmp_path / "said.csv").open(newline="") as file:
        votes = list(csv.DictReader(file))
    assert sorted(vote["image"] for vote in votes) == ["one", "three", "two"]
    assert len({vote["session"] for vote in votes}) == 1
    assert votes[0]["better"] == votes[0]["left"]
    assert votes[1]["better"] == votes[1]["right"]
    assert votes[2]["better"] == "same"


@marked
def test_a_pair_that_is_lost_meanwhile_is_passed_over(tmp_path: Path) -> None:
    judged(tmp_path)
    order = [pair.name for pair in pairs(tmp_path / "a", tmp_path / "b", seed=0)]
    with served(tmp_path, "ab=a,b", "votes=said.csv") as address, opened(address) as page:
        page.wait_for_selector("text=Pair 1 of 3.")
        (tmp_path / "a" / f"{order[1]}.png").unlink()
        page.get_by_role("button", name="Left").click()
        page.wait_for_selector(f"text=Pair 3 of 3. {order[1]} cannot be shown any more.")
        page.get_by_role("button", name="Left").click()
        page.wait_for_selector("text=/Thank you. Better: A \\d, B \\d, neither 0/")
    with (tmp_path / "said.csv").open(newline="") as file:
        assert [vote["image"] for vote in csv.DictReader(file)] == [order[0], order[2]]


SERVING = """
import sys
from pathlib import Path
from mtlsr.pages import serving
from mtlsr.runs.stopping import ending_tidily

async def page(scope, receive, send):
    pass

serving.application = lambda *_: page
ending_tidily()
serving.serve(lambda: None, 0, 1)
"""


@pytest.mark.skipif(not has_gradio(), reason="uvicorn comes with Gradio: the extra demo")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_uploaded_is_gone_however_the_page_ends(number: int, tmp_path: Path) -> None:
    repository = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(repository)}
    with subprocess.Popen(
        [sys.executable, "-c", SERVING],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert "The page is at" in process.stdout.readline()
        (folder,) = tmp_path.glob("mtlsr_demo_*")
        (folder / "uploaded.jpg").touch()
        time.sleep(0.5)  # the server takes signals a little after it has said so
        process.send_signal(number)
        process.wait(30)
    assert list(tmp_path.iterdir()) == []


def test_without_gradio_it_says_what_to_install(
    command: Command, tmp_path: Path, tiny_model: Path
) -> None:
    (tmp_path / "gradio.py").write_text("raise ImportError('not here')\n")
    prefix = ["env", f"PYTHONPATH={tmp_path}:{Path(__file__).resolve().parents[1]}"]
    done = command("demo", tmp_path, f"model={tiny_model}", prefix=prefix)
    assert done.returncode == 1
    assert done.stderr == "mtlsr: The page needs Gradio: pip install 'mtlsr[demo]'.\n"
