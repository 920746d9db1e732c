"""Clips become pictures, and pictures and their motion become rows."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tesserec.content import clips
from tesserec.content.clips import Timetable, chosen, open_clip
from tesserec.content.encoder import Undecodable
from tesserec.content.encoding import encode
from tesserec.content.video import VideoStatistics, changes
from tesserec.core.errors import MissingExtra
from toys.clips import as_clip, fading, moving, plain, square, still
from toys.sounds import as_file, noise, tone
from toys.worlds import world

av = pytest.importorskip("av")
pytest.importorskip("PIL")

FORMS = [("mp4", "mpeg4"), ("avi", "mpeg4"), ("matroska", "mpeg4"), ("mpegts", "mpeg2video")]
FORMS += [("mp4", "libx264"), ("webm", "libvpx-vp9")]
FORMS = [pair for pair in FORMS if pair[1] in av.codecs_available]


def numbers(piece: bytes, count: int, apart: float = 0.1) -> list[tuple[int, int]]:
    """Which frames of a fading clip were taken, told by their grey."""

    def number(picture) -> int:
        return round(np.asarray(picture).mean() / 10)

    return open_clip(piece, count, apart, number)


# Frames


@pytest.mark.parametrize("count", [1, 3, 8, 20, 30])
@pytest.mark.parametrize("total", [1, 2, 7, 20])
def test_chosen_frames_are_the_middles_of_equal_parts(total: int, count: int):
    pairs = chosen(Timetable(list(range(total)), [0], 0.1), count, 0.1)
    middles = [int((part + 0.5) / count * total) for part in range(count)]
    assert pairs == [(at, min(at + 1, total - 1)) for at in sorted(set(middles))]


def test_the_neighbour_of_a_frame_is_the_first_that_is_far_enough_in_time():
    uneven = Timetable([0, 10, 20, 100, 105, 150], [0], 0.01)
    assert chosen(uneven, 6, 0.2) == [(0, 2), (1, 3), (2, 3), (3, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize(("form", "codec"), FORMS)
@pytest.mark.parametrize("keys", [1, 4, 50])
def test_frames_are_those_that_one_pass_over_the_whole_clip_finds(form: str, codec: str, keys: int):
    piece = as_clip(fading(), form=form, codec=codec, keys=keys)
    assert numbers(piece, 5) == [(2, 3), (6, 7), (10, 11), (14, 15), (18, 19)]
    assert numbers(piece, 2, apart=0.3) == [(5, 8), (15, 18)]


@pytest.mark.skipif("libx264" not in av.codecs_available, reason="needs x264")
def test_frames_without_times_are_counted():
    found = numbers(as_clip(fading(), form="h264", codec="libx264"), 5)
    assert [frame for frame, _ in found] == [2, 6, 10, 14, 18]


def test_in_a_long_clip_stretches_are_jumped_over(monkeypatch: pytest.MonkeyPatch):
    seen = []
    timed = clips._timed

    def counting(*arguments):
        for one in timed(*arguments):
            seen.append(one[0])
            yield one

    monkeypatch.setattr(clips, "_timed", counting)
    assert numbers(as_clip([*fading(), *[plain(0, 0, 0)] * 180], keys=5), 2) == [(0, 0), (0, 0)]
    assert len(seen) < 40


def test_only_what_is_wanted_of_a_clip_is_kept():
    kept = []
    pairs = open_clip(as_clip(fading(25)), 4, 0.1, kept.append)
    assert len(pairs) == 4
    assert len(kept) == 8


def test_a_clip_with_sound_gives_the_same_pictures():
    silent, loud = as_clip(fading()), as_clip(fading(), sound=lambda: tone(440, 2))
    assert numbers(silent, 4) == numbers(loud, 4)


def test_a_clip_of_one_frame_works():
    assert numbers(as_clip(fading(1)), 8) == [(0, 0)]


@pytest.mark.parametrize(
    ("piece", "why"),
    [
        (b"", "empty"),
        (b"this is no clip", "no clip"),
        (bytes(5000), "no clip"),
        (np.random.default_rng(0).bytes(20_000), "no clip|without"),
        (as_clip(moving())[:500], "no clip"),
        (as_clip(moving(60), form="avi")[:-3000], "cut short"),
        (as_file(noise()), "without pictures"),
    ],
    ids=["empty", "text", "zeros", "noise", "cut mp4", "cut avi", "sound"],
)
def test_what_is_no_whole_clip_says_why(piece: bytes, why: str):
    with pytest.raises(Undecodable, match=why):
        open_clip(piece, 8, 0.1, id)


def test_without_pyav_the_cure_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"tesserec\[video\]"):
        open_clip(b"anything", 8, 0.1, id)


# Motion


def test_changes_tell_how_much_and_where():
    before, after = plain(0, 0, 0), plain(0, 0, 0)
    after[:24, :32] = 255  # the upper left quarter becomes white
    mean, deviation, share, *cells = changes(before, after, 2)
    assert (mean, share) == (0.25, 0.25)
    assert deviation == pytest.approx(np.sqrt(0.25 * 0.75))
    assert cells == [1, 0, 0, 0]


def test_noise_of_a_camera_is_no_change():
    grains = np.random.default_rng(0).integers(0, 8, (48, 64, 1), dtype=np.uint8)
    assert changes(plain(100, 100, 100), plain(100, 100, 100) + grains, 4)[2] == 0


# The encoder


def rows(*pieces: bytes) -> np.ndarray:
    encoder = VideoStatistics()
    return encoder.reader("cpu")([encoder.decode(piece) for piece in pieces])


def motion(clip: bytes) -> np.ndarray:
    encoder = VideoStatistics()
    return encoder._motion(encoder.decode(clip))


def test_a_moving_square_moves_and_a_still_one_does_not():
    still_share, moving_share = motion(as_clip(still()))[2], motion(as_clip(moving()))[2]
    assert still_share == 0
    assert moving_share == pytest.approx(2 * 2 * 16 / (48 * 64), rel=0.5)  # two edges of 2 x 16


def test_motion_has_a_place():
    upper = motion(as_clip([square(2 * at, 0) for at in range(20)]))[3:19].reshape(4, 4)
    lower = motion(as_clip([square(2 * at, 32) for at in range(20)]))[3:19].reshape(4, 4)
    assert upper[0].sum() > 10 * upper[3].sum()
    assert lower[3].sum() > 10 * lower[0].sum()


def test_slow_change_shows_between_far_frames_and_not_between_close_ones():
    close, far = np.split(motion(as_clip([plain(*[5 * at] * 3) for at in range(40)])), 2)
    assert far[0] > 3 * close[0]


def test_rows_do_not_depend_on_the_batch():
    pieces = [as_clip(one) for one in (moving(), still(3), fading(1), [plain(200, 0, 0)] * 5)]
    together = rows(*pieces)
    assert together.dtype == np.float32
    alone = np.concatenate([rows(piece) for piece in pieces])
    assert np.allclose(together, alone, atol=1e-6)
    assert np.isfinite(together).all()


def test_clips_that_look_alike_lie_beside_each_other_and_broken_ones_are_told(tmp_path: Path):
    pieces = {
        "red": as_clip([plain(220, 0, 0)] * 20),
        "red, too": as_clip([plain(200, 10, 10)] * 12, form="avi"),
        "blue": as_clip([plain(0, 0, 220)] * 20),
        "blue, too": as_clip([plain(10, 10, 200)] * 12, form="avi"),
        "moves": as_clip(moving()),
        "moves, too": as_clip(moving(18), form="avi"),
        "still": as_clip(still()),
        "still, too": as_clip(still(18), form="avi"),
        "broken": as_clip(moving())[:500],
    }
    media = tmp_path / "media"
    media.mkdir()
    columns = {"item": list(pieces), "bytes": list(pieces.values())}
    pl.DataFrame(columns).write_parquet(media / "video.parquet")
    data = replace(world([("u", item) for item in pieces]), folder=tmp_path)
    outcome = encode(data, VideoStatistics())
    ids = data.catalog.items.ids.to_list()
    vectors = outcome.vectors.table
    alike = (vectors @ vectors.T).fill_diagonal_(-1).argmax(1).tolist()
    nearest = {item: ids[row] for item, row in zip(ids, alike, strict=True)}
    for name in ("red", "blue", "moves", "still"):
        assert (nearest[name], nearest[f"{name}, too"]) == (f"{name}, too", name)
    assert outcome.problems == (("broken", "no clip that PyAV can read"),)
