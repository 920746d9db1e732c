"""Search: the same number of trials for everybody, judged on validation alone.

`[search]` in a study names fields and what to try:

    [search]
    "method.dim" = [32, 64, 128]
    "method.schedule.rate" = { low = 1e-4, high = 1e-1, log = true }

Trials are drawn at random with a seed (Bergstra and Bengio, JMLR 2012), or proposed by Optuna's
TPE where it is installed and asked for. Every finished trial is a line in `trials.jsonl`; a search
that was interrupted goes on after the last one.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tesserec.core import Method, Run
from tesserec.core.errors import BadData, BadSpec, MissingExtra
from tesserec.evaluation import mark
from tesserec.experiment.preparing import Prepared, prepare
from tesserec.experiment.running import Options, measures_of, start
from tesserec.experiment.study import Study, overrides

Sampler = Literal["random", "tpe"]


@dataclass(frozen=True)
class Axis:
    """One field, and the values it may take."""

    path: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    @classmethod
    def of(cls, path: str, said: Any) -> "Axis":
        """From `[a, b, c]` or `{low, high, log}`. Raises `BadSpec` for anything else."""
        if isinstance(said, list | tuple) and said:
            return cls(path, tuple(said))
        if isinstance(said, Mapping) and {"low", "high"} <= set(said) <= {"low", "high", "log"}:
            low, high = said["low"], said["high"]
            whole = isinstance(low, int) and isinstance(high, int)
            log = bool(said.get("log", False))
            if low < high and (low > 0 or not log):
                return cls(path, (), float(low), float(high), log, whole)
        raise BadSpec(
            f"search.{path} = {said!r} says nothing to try.",
            "Write a list, or { low = 1e-4, high = 1e-2, log = true }.",
        )

    def at(self, share: float) -> Any:
        """The value at a share in [0, 1) of the axis."""
        if self.choices:
            return self.choices[int(share * len(self.choices))]
        if self.log:
            value = math.exp(math.log(self.low) + share * math.log(self.high / self.low))
        else:
            value = self.low + share * (self.high - self.low)
        return round(value) if self.whole else float(f"{value:.6g}")


@dataclass(frozen=True)
class Trial:
    """One setting and what it reached on validation."""

    number: int
    settings: Mapping[str, Any]
    value: float
    seconds: float


def tune(
    study: Study, trials: int, out: Path, options: Options, sampler: Sampler = "random"
) -> list[Trial]:
    """Try settings on the validation part; the best is written as `best.toml`. Best trial first.

    The test part is never asked. Raises `BadSpec` when the study has no `[search]`, `BadData`
    when its split has no validation part.
    """
    axes = [Axis.of(path, said) for path, said in study.search.items()]
    if not axes:
        raise BadSpec("The study has no [search] table.", '"method.dim" = [32, 64] under [search].')
    for axis in axes:
        study.changed(overrides([f"{axis.path}={json.dumps(axis.at(0.0))}"]))
    prepared = prepare(study, options.progress)
    if prepared.split.valid is None:
        raise BadData("This split has no validation part to tune on.", "Set split.valid.")
    start(out, prepared, options)
    done = _finished(out)
    propose = _proposals(axes, sampler, done)
    options.progress.start("tune", trials)
    options.progress.advance(len(done), {})
    for number in range(len(done), trials):
        trial = _try(prepared, number, propose(number), options)
        done.append(trial)
        with (out / "trials.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(vars(trial)) + "\n")
        options.progress.advance(1, {"best": max(one.value for one in done)})
    options.progress.finish()
    ranked = sorted(done, key=lambda one: -one.value)
    _write_best(study, ranked[0], len(done), out)
    return ranked


def _try(prepared: Prepared, number: int, settings: Mapping[str, Any], options: Options) -> Trial:
    texts = [f"{path}={json.dumps(value)}" for path, value in settings.items()]
    study = prepared.study.changed(overrides(texts))
    method: Method = study.all_methods()[0]
    began = time.perf_counter()
    assert prepared.split.valid is not None
    run = Run(
        seed=study.seeds[0],
        valid=prepared.split.valid,
        device=options.device,
        precision=options.precision,
    )
    recommender = method.fit(prepared.split.train, run)
    metric = measures_of(method)
    value = mark(recommender, prepared.split.valid, [metric])[metric]
    return Trial(number, settings, value, round(time.perf_counter() - began, 2))


def _finished(out: Path) -> list[Trial]:
    path = out / "trials.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [Trial(**json.loads(line)) for line in lines if line.endswith("}")]


def _proposals(
    axes: list[Axis], sampler: Sampler, done: list[Trial]
) -> Callable[[int], dict[str, Any]]:
    if sampler == "tpe":
        return _by_optuna(axes, done)

    def at_random(number: int) -> dict[str, Any]:
        generator = np.random.default_rng([0, number])  # a trial's draw depends on its number only
        return {axis.path: axis.at(float(generator.random())) for axis in axes}

    return at_random


def _by_optuna(axes: list[Axis], done: list[Trial]) -> Callable[[int], dict[str, Any]]:
    try:
        import optuna
    except ImportError:
        raise MissingExtra("TPE needs Optuna.", "Run: pip install 'tesserec[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def propose(number: int) -> dict[str, Any]:
        # Asked anew with all trials so far, so an interrupted search goes on as if it had not been.
        sampler = optuna.samplers.TPESampler(seed=number)
        memory = optuna.create_study(direction="maximize", sampler=sampler)
        spaces = {axis.path: _space(optuna, axis) for axis in axes}
        for trial in done:
            memory.add_trial(
                optuna.trial.create_trial(
                    params={p: _known(axis, trial.settings[p]) for p, axis in _by_path(axes)},
                    distributions=spaces,
                    value=trial.value,
                )
            )
        asked = memory.ask(spaces)
        return {p: _meant(axis, asked.params[p]) for p, axis in _by_path(axes)}

    return propose


def _by_path(axes: list[Axis]) -> list[tuple[str, Axis]]:
    return [(axis.path, axis) for axis in axes]


def _space(optuna: Any, axis: Axis) -> Any:
    kinds = optuna.distributions
    if axis.choices:
        return kinds.CategoricalDistribution([json.dumps(one) for one in axis.choices])
    if axis.whole:
        return kinds.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return kinds.FloatDistribution(axis.low, axis.high, log=axis.log)


def _known(axis: Axis, value: Any) -> Any:
    return json.dumps(value) if axis.choices else value


def _meant(axis: Axis, value: Any) -> Any:
    return json.loads(value) if axis.choices else value


def _write_best(study: Study, best: Trial, trials: int, out: Path) -> None:
    texts = [f"{path}={json.dumps(value)}" for path, value in best.settings.items()]
    note = f"Best of {trials} trials on validation: {best.value:.4f}. {study.notes}".strip()
    study.changed({**overrides(texts), "search": {}, "notes": note}).write(out / "best.toml")
