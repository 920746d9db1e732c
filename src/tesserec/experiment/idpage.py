"""semantic_ids.NAME.html: figures and the tree of ids, as one page that loads nothing."""

from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from tesserec.core.files import write_text
from tesserec.experiment import idtree, svg
from tesserec.experiment.page import rendered
from tesserec.experiment.tokenizing import Tokenized
from tesserec.parts.semantic_ids.categories import categories

SHORT = 5  # levels whose sizes are told one by one


def write_id_page(done: Tokenized) -> Path:
    """Write the page beside the file of ids."""
    path = done.file.with_name(f"{done.file.stem}.{done.name}.html")
    write_text(path, rendered("ids.html.j2", _contents(done)))
    return path


def _contents(done: Tokenized) -> dict[str, Any]:
    data, table = done.data, done.found.codes.table
    column = done.shared.column if done.shared else None
    kinds = categories(data.catalog.items.features, column) if column else None
    tree = idtree.Tree.of(table, idtree.DRAWN)
    images = str(getattr(done.found.codebook, "name", ""))
    shown = idtree.branches(data, tree, done.found.vectors, kinds, images)
    return {
        "title": f"Semantic ids {done.name} of {data.name}",
        "summary": sentences(done),
        "facts": _facts(done),
        "head": head(done),
        "rows": level_rows(done),
        "shared": done.shared,
        "typical": done.found.vectors.is_floating_point() and done.found.vectors.shape[1] > 0,
        "picture": idtree.picture(tree, kinds),
        "drawn": len(tree.node),
        "branches": shown,
        "more": len(tree.count[0]) - len(shown),
        "plots": [_usage(done)],
        "quantizer": done.facts["quantizer"],
        "seed": done.facts["seed"],
    }


def head(done: Tokenized) -> list[str]:
    """The names of the columns of `level_rows`."""
    names = ["level", "used", "perplexity", "prefixes", "largest", "alike"]
    return [*names, "knows", "together", "chance"] if done.shared else names


def level_rows(done: Tokenized) -> list[list[str]]:
    """A line for each level; the last three columns are about categories."""
    rows = []
    for place, level in enumerate(done.statistics.levels):
        row = [
            str(place + 1),
            f"{level.used:,}/{level.size:,}",
            f"{level.perplexity:.1f}",
            f"{level.prefixes:,}",
            f"{level.largest:,}",
            "" if level.alike is None else f"{level.alike:.3f}",
        ]
        if done.shared:
            known = (done.shared.of_level, done.shared.of_prefix, done.shared.by_chance)
            row += [f"{values[place]:.3f}" for values in known]
        rows.append(row)
    return rows


def sentences(done: Tokenized) -> list[str]:
    """The figures in words."""
    told = done.statistics
    first = told.levels[0]
    left = f"{told.collisions_left:.1%} do" if told.collisions_left > 0 else "none do"
    found = [
        f"{told.collisions:.1%} of {told.items:,} items collide, at most {told.largest_bucket:,} "
        f"in one bucket; after collisions were resolved {left}.",
        f"The first token tells as much apart as {first.perplexity:.0f} equally frequent ones "
        f"would ({first.entropy:.0%} of what {first.size:,} could).",
    ]
    levels = enumerate(told.levels, 1)
    idle = next((level for level, one in levels if one.used == 1 < one.size), None)
    if idle is not None:
        found.append(
            f"All items have the same token at level {idle}, which tells nothing: take fewer "
            f"levels, or fewer codes for {told.items:,} items."
        )
    if first.alike is not None and told.random_alike is not None:
        found.append(
            f"Two items with the same first token are {first.alike:.2f} alike (cosine), "
            f"any two {told.random_alike:.2f}."
        )
    if told.error is not None and told.unexplained is not None:
        found.append(
            f"What the tokens stand for leaves {told.unexplained:.0%} of the vectors' variance "
            f"(mean squared error {told.error:.4g})."
        )
    if done.shared:
        found.append(
            f"Of {done.shared.categories:,} categories (column {done.shared.column}) the first "
            f"token knows {done.shared.of_level[0]:.2f}, by chance it would "
            f"{done.shared.by_chance[0]:.2f} (normalised mutual information)."
        )
    return found


def _facts(done: Tokenized) -> list[dict[str, str]]:
    told = done.statistics
    sizes = done.ids.sizes
    runs = (f"{len(list(run))} x {size}" for size, run in groupby(sizes))
    tokens = ", ".join(map(str, sizes) if len(sizes) <= SHORT else runs)
    facts = {
        "items": f"{told.items:,}",
        "tokens": tokens,
        "items learned from": f"{done.facts['learned_from']['items']:,}",
        "collide": f"{told.collisions:.1%}",
        "seconds": f"{done.facts['seconds']:.1f}",
        "most memory": f"{done.facts['peak_memory'] / 2**30:.1f} GB",
    }
    return [{"name": name, "value": value} for name, value in facts.items()]


def _usage(done: Tokenized) -> dict[str, str]:
    """How often each token is used, the most frequent first."""
    series = []
    for place, column in enumerate(done.found.codes.table.T[: svg.COLOURS]):
        counts = torch.bincount(column, minlength=done.found.codes.sizes[place])
        shares = (counts.sort(descending=True).values / len(column)).tolist()
        series.append(svg.Series(f"level {place + 1}", list(enumerate(shares, 1)), place))
    axes = svg.Axes("tokens, the most used first", "share of items", from_zero=True)
    note = "The flatter, the more a token tells apart."
    return {"title": "Use of tokens", "svg": svg.lines(series, axes), "note": note}
