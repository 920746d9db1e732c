import json
import tomllib
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import Method, Spec
from tesserec.core.errors import BadSpec
from tesserec.data.splits import ByTime, Splitter
from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF
from tesserec.parts.batches import Pairs, UserPairs
from tesserec.parts.negatives import Shared, Uniform
from tesserec.parts.objectives import BPR, PSL, Objective, Softmax
from tesserec.training import SGD, Adam, Cosine, Learner, Schedule


class Flavour(Spec):
    """Written in a test: found among living classes, not in the scan."""

    strength: float = 1.0


class Vanilla(Flavour):
    pods: int = 2


class Dish(Spec):
    flavours: tuple[Flavour, ...] = ()
    topping: Flavour | None = None
    size: Literal["small", "large"] = "small"
    base: Flavour = Vanilla(pods=5, strength=0.5)


def toml(value: Any) -> str:
    """A value as TOML writes it on one line; what is None is left out of tables."""
    if isinstance(value, dict):
        pairs = (f"{key} = {toml(one)}" for key, one in value.items() if one is not None)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return json.dumps(value)


positive = st.floats(1e-6, 1e6)
flavours = st.builds(Flavour, strength=positive) | st.builds(
    Vanilla, strength=positive, pods=st.integers(-5, 5)
)
dishes = st.builds(
    Dish,
    flavours=st.lists(flavours, max_size=3).map(tuple),
    topping=st.none() | flavours,
    size=st.sampled_from(["small", "large"]),
    base=flavours,
)
objectives = (
    st.just(BPR())
    | st.builds(PSL, temperature=positive, surrogate=st.sampled_from(["relu", "tanh", "atan"]))
    | st.builds(Softmax, temperature=positive, cosine=st.booleans())
)
pairs = st.sampled_from([Pairs, UserPairs]).flatmap(
    lambda kind: st.builds(
        kind, size=st.integers(1, 9), sampler=st.sampled_from([Uniform(), Shared()])
    )
)
schedules = st.builds(
    Schedule,
    rate=positive,
    optimizer=st.sampled_from([Adam(), SGD(momentum=0.5)]),
    shape=st.sampled_from([Cosine(warmup=0.25), Cosine(least=0.5)]),
    clip=st.none() | positive,
)
methods = st.builds(
    LightGCN, dim=st.integers(1, 99), objective=objectives, batches=pairs, schedule=schedules
)


@given(dishes | methods)
def test_a_description_survives_json_and_toml(spec):
    table = json.loads(json.dumps(spec.to_dict()))
    assert type(spec).from_dict(table) == spec
    assert Spec.from_dict(tomllib.loads(f"spec = {toml(table)}")["spec"]) == spec


@given(methods, methods)
def test_equal_descriptions_are_equal_hash_alike_and_have_one_key(one, other):
    same = type(one)(**{name: getattr(one, name) for name in type(one).model_fields})
    assert same == one
    assert hash(same) == hash(one)
    assert same.key("more") == one.key("more") != one.key("else")
    assert (one == other) == (one.to_dict() == other.to_dict()) == (one.key() == other.key())


def test_equal_fields_of_two_kinds_are_not_equal():
    assert Pairs() != UserPairs()
    assert Pairs().key() != UserPairs().key()
    assert Flavour(strength=1.0) != Vanilla(strength=1.0)


def test_a_description_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        MF().dim = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"kind": "MF", "dims": 3}, "MF has no field 'dims'; did you mean 'dim'?"),
        ({"kind": "MF", "schedule": {"epoch": 3}}, "did you mean 'epochs'?"),
        ({"kind": "MF", "schedule": {"optimizer": {"beta": 3}}}, "did you mean 'betas'?"),
        ({"kind": "LightGNC"}, "did you mean 'LightGCN'?"),
        ({"kind": "MF", "objective": {"kind": "BRP"}}, "did you mean 'BPR'?"),
        ({"kind": "MF", "dim": "many"}, "MF.dim = 'many'"),
        ({"kind": "MF", "dim": 2.5}, "MF.dim = 2.5"),
        ({"kind": "MF", "schedule": {"epochs": 0}}, "Schedule.epochs = 0"),
        ({"kind": "MF", "objective": {"kind": "PSL", "surrogate": "sin"}}, "PSL.surrogate"),
        ({"kind": "MF", "objective": 3}, "MF.objective"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_nearest_name(table, says):
    with pytest.raises(BadSpec) as refused:
        Method.from_dict(table)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "BPR"},  # an objective, not a method
        {"kind": "MF", "objective": {"kind": "ByTime"}},
        {"kind": "MF", "batches": {"kind": "Adam"}},
        {"kind": "MF", "objective": Adam()},
        {"kind": "Learner"},  # a contract, not a method
        {"kind": "Method"},
        {"kind": "MF", "objective": {"kind": "Objective"}},
        {"kind": 7},
        {},
    ],
)
def test_a_kind_of_the_wrong_kind_is_refused(table):
    with pytest.raises(BadSpec):
        Method.from_dict(table)


def test_in_python_a_part_of_the_wrong_kind_is_refused():
    with pytest.raises(BadSpec, match=r"MF\.objective"):
        MF(objective=Adam())
    with pytest.raises(BadSpec, match="EASE"):
        MF(kind="EASE")
    assert MF(kind="MF") == MF()


def test_a_contract_without_a_kind_asks_for_one():
    with pytest.raises(BadSpec, match="needs a kind"):
        Splitter.from_dict({"test": 0.1})


def test_a_table_changes_the_default_of_its_field_and_keeps_the_rest():
    """The trap: validated against the class, `epochs = 2` would bring back the class's rate."""
    default = MF().schedule
    assert default.patience != Schedule().patience  # else this test could not fail
    for short in (
        MF().changed({"schedule": {"epochs": 2}}),
        MF().changed({"schedule": {"kind": "Schedule", "epochs": 2}}),
        MF().changed({"schedule": {"kind": "schedule", "epochs": 2}}),
        Method.from_dict({"kind": "MF", "schedule": {"epochs": 2}}),
        MF(schedule={"epochs": 2}),  # type: ignore[arg-type]
    ):
        assert short.schedule == default.model_copy(update={"epochs": 2})
        assert short.changed({"schedule": {"epochs": default.epochs}}) == MF()


def test_a_table_of_another_kind_starts_from_that_kinds_own_defaults():
    changed = MF(batches=Pairs(size=7)).changed({"batches": {"kind": "UserPairs"}})
    assert changed.batches == UserPairs()
    kept = MF(batches=Pairs(size=7)).changed({"batches": {"kind": "pairs", "negatives": 3}})
    assert kept.batches == Pairs(size=7, negatives=3)


def test_changes_reach_what_was_changed_before_at_any_depth():
    once = MF(dim=5).changed({"schedule": {"optimizer": {"weight_decay": 0.5}}})
    twice = once.changed({"schedule": {"epochs": 3, "optimizer": {"epsilon": 0.25}}})
    assert twice.dim == 5
    assert twice.schedule.epochs == 3
    assert twice.schedule.optimizer == Adam(weight_decay=0.5, epsilon=0.25)
    assert twice.changed({}) == twice


def test_changing_to_something_that_does_not_exist_is_refused():
    with pytest.raises(BadSpec, match="did you mean 'schedule'"):
        MF().changed({"shedule": {"epochs": 2}})
    with pytest.raises(BadSpec, match="did you mean 'epochs'"):
        MF().changed({"schedule": {"epoch": 2}})


def test_tuples_of_descriptions_and_optional_ones_are_read_from_tables():
    dish = Dish.from_dict(
        {
            "flavours": [{"kind": "Vanilla", "pods": 1}, {"strength": 3}],
            "topping": {"kind": "Flavour", "strength": 2},
            "base": {"pods": 9},
        }
    )
    assert dish.flavours == (Vanilla(pods=1), Flavour(strength=3))
    assert dish.topping == Flavour(strength=2)
    assert dish.base == Vanilla(pods=9, strength=0.5)
    assert dish.changed({"topping": None}).topping is None


def test_the_kind_is_found_in_any_case_and_written_as_the_class_is_called():
    assert Method.from_dict({"kind": "lightgcn"}) == LightGCN()
    assert LightGCN().to_dict()["kind"] == "LightGCN"


def test_only_json_types_are_written():
    table = LightGCN(hop_weights=(1.0, 0.0, 0.0, 0.0), objective=PSL()).to_dict()
    assert json.loads(json.dumps(table)) == table
    assert table["objective"] == {"kind": "PSL", "temperature": 0.1, "surrogate": "relu"}


def test_an_objective_that_needs_negatives_refuses_batches_without_when_the_method_is_built():
    with pytest.raises(BadSpec, match=r"batches\.negatives"):
        MF(batches=Pairs(negatives=0))
    with pytest.raises(BadSpec, match="PSL needs at least 1"):
        Method.from_dict(
            {"kind": "LightGCN", "objective": {"kind": "PSL"}, "batches": {"negatives": 0}}
        )
    assert EASE() == Method.from_dict({"kind": "EASE"})


def test_a_part_may_refuse_its_owner():
    class Owner(Spec):
        batches: Pairs = Pairs()
        objective: Objective = BPR()

    assert Owner(batches=Pairs(negatives=1))
    with pytest.raises(BadSpec):
        Owner(batches=Pairs(negatives=0))


def test_a_split_by_time_says_which_field_is_wrong():
    with pytest.raises(BadSpec, match=r"ByTime\.test"):
        ByTime(test=1.5)
    assert issubclass(Learner, Method)
