import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtlsr.inference.methods.images import Images
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.metrics import Protocol
from mtlsr.networks.folder import load_model
from mtlsr.networks.measure import multiply_adds, parameters
from mtlsr.runs.evaluation import pareto
from mtlsr.runs.evaluation.measures import STANDARD
from mtlsr.runs.evaluation.pareto import Cost, cost, front, plot, write_costs
from mtlsr.runs.evaluation.results import Results
from tests.runs.evaluation.sets import write_set


def test_the_front_is_what_no_other_reaches_at_its_cost() -> None:
    points = {
        "small": (1.0, 30.0), "large": (9.0, 33.0), "middle": (4.0, 32.0), "worse": (5.0, 31.0),
        "equal": (9.0, 32.5), "no better": (10.0, 33.0),
    }  # fmt: skip
    assert front(points) == ["small", "middle", "large"]
    assert front({name: (c, -q) for name, (c, q) in points.items()}, higher_is_better=False) == [
        "small", "middle", "large",
    ]  # fmt: skip
    assert front({}) == []


def test_the_front_of_random_points_is_what_the_definition_says() -> None:
    rng = np.random.default_rng(0)
    points = {str(i): (float(c), float(q)) for i, (c, q) in enumerate(rng.integers(0, 9, (40, 2)))}
    found = front(points)
    for name, (expense, quality) in points.items():
        beaten = any(
            c <= expense and q >= quality and (c, q) != (expense, quality)
            for c, q in points.values()
        )
        same = [points[other] for other in found].count((expense, quality))
        assert same == (0 if beaten else 1)
        assert name in found or beaten or same == 1


def test_costs_are_those_of_the_network(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pareto, "OUTPUT", (24, 32))
    method = own_network(load_model(tiny_model)[0], Settings())
    assert method.module is not None
    found = cost(method, 2)
    assert found.parameters == parameters(method.module)
    assert found.multiply_adds == multiply_adds(method.module, 12, 16)
    assert found.latency is not None
    assert found.latency > 0
    kernel = cost(Interpolation("nearest"), 2)
    assert (kernel.parameters, kernel.multiply_adds) == (None, None)
    write_set(tmp_path / "given")
    assert cost(Images(tmp_path / "given"), 2) == Cost()
    write_costs(tmp_path / "costs.csv", {"tiny": Cost(5, 70, 1.5), "given": Cost()})
    with (tmp_path / "costs.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"method": "tiny", "parameters": "5", "multiply_adds": "70", "latency": "1.5"},
            {"method": "given", "parameters": "", "multiply_adds": "", "latency": ""},
        ]


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_a_plot_for_each_data_set_and_known_cost(tmp_path: Path) -> None:
    rows = [
        {"dataset": dataset, "image": "1", "method": method, "psnr_y": 28.0 + number}
        for dataset in ("set5", "set14")
        for number, method in enumerate(("bicubic", "a", "b"))
    ]
    results = Results(Protocol.preset("literature", 4), STANDARD[:1], rows)
    costs = {"bicubic": Cost(), "a": Cost(1000, None, 3.0), "b": Cost(2000, None, 9.0)}
    plot(tmp_path / "pareto.png", results, costs)
    assert [path.name for path in tmp_path.iterdir()] == ["pareto.png"]
    with Image.open(tmp_path / "pareto.png") as image:
        assert image.size == (2 * 675, 2 * 540)  # two costs by two data sets
