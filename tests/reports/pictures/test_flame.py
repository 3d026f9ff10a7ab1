"""The flame graph: as wide as the samples, library code told from the user's."""

from __future__ import annotations

import re

from probes.stacks import Frame
from reports.pictures.flame import flame_graph
from reports.pictures.palette import CODE

TORCH = "/env/lib/python3.11/site-packages/torch/nn/modules/module.py"
SB3 = "/env/lib/python3.11/site-packages/stable_baselines3/ppo/ppo.py"
OURS, TRAIN, FORWARD = Frame("main", "/home/me/train.py", 3), Frame("train", SB3, 4), Frame("forward", TORCH, 5)
OTHER = Frame("loss", "/home/me/loss.py", 9)


def test_frames_are_as_wide_as_their_share_and_coloured_by_whose_they_are() -> None:
    drawn = flame_graph("f", [[OURS, TRAIN, FORWARD]] * 3 + [[OURS, TRAIN, OTHER]])
    assert drawn is not None
    rectangles = re.findall(
        r'<rect class="flz-cell"[^>]* width="([\d.]+)"[^>]* fill="(#\w+)"><title>([^<]+)', drawn.svg
    )
    widths = {title.split(" ")[0]: (float(width), fill) for width, fill, title in rectangles}
    assert widths["forward"][1] == CODE["engine"]
    assert widths["train"][1] == CODE["library"]
    assert widths["loss"][1] == CODE["user"]
    assert 2.9 < widths["forward"][0] / widths["loss"][0] < 3.1
    assert "forward (torch/nn/modules/module.py:5): 3 of 4 samples, 75%" in drawn.svg


def test_outer_calls_that_all_samples_share_are_left_out_and_counted() -> None:
    outer = [Frame(f"outer{number}", "/home/me/train.py", number) for number in range(20)]
    drawn = flame_graph("f", [[*outer, TRAIN, FORWARD], [*outer, TRAIN, OTHER]])
    assert drawn is not None
    assert "2 samples, without 20 outer calls of all" in drawn.svg
    assert "outer3" not in drawn.svg


def test_several_profiles_are_told_apart() -> None:
    drawn = flame_graph("f", [[OURS, TRAIN]], "profile-2")
    assert drawn is not None
    assert drawn.title == "Flame graph of profile-2"
    assert "profile-2: 1 sample" in drawn.svg


def test_recursion_is_cut_at_a_depth_that_can_be_looked_at() -> None:
    drawn = flame_graph("f", [[Frame("again", f"/home/me/{number}.py", 1) for number in range(5000)], [OURS]])
    assert drawn is not None
    assert drawn.svg.count("<rect") < 60


def test_many_thin_frames_do_not_swell_it() -> None:
    drawn = flame_graph("f", [[OURS, Frame(f"f{number}", "/home/me/a.py", 1)] for number in range(5000)])
    assert drawn is not None
    assert len(drawn.svg) < 20_000


def test_without_a_sample_there_is_none() -> None:
    assert flame_graph("f", []) is None
    assert flame_graph("f", [[], []]) is None
