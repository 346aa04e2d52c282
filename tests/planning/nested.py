"""Experiments that call others, and what became of a run, for the tests of plans."""

import types

from spearmint import Spearmint, experiment
from spearmint.cases.case import _views
from spearmint.planning import search as _search  # noqa: F401 - opened now: tests forbid to read files
from spearmint.planning.select import _reachability_of
from spearmint.proxy.proxy import experiment_of
from spearmint.strategies import ShadowStrategy

MODELS = [{"model": "a"}, {"model": "b"}]
KS = [{"k": 1}, {"k": 2}, {"k": 3}]
ZS = [{"z": "x"}, {"z": "y"}]


def run(function, *args):
    with Spearmint.run(function, await_variants=True) as runner:
        return runner(*args)


def values(function, *args):
    return [one.result for one in run(function, *args)]


def make_inner(configs=KS, strategy=ShadowStrategy, key="k", **settings):
    @experiment(configs=configs, strategy=strategy, **settings)
    def inner(config):
        return config[key]

    return inner


def known(function):
    """Return the experiments that a call would reach, by identity, as its code and earlier calls tell."""
    root, args, _ = experiment_of(function)
    return [way.experiment for way in _reachability_of(root, args, full_check=True).edges]


def called_in(case):
    """Return the experiments that were called in a case, the root only where another one called it."""
    return [view.current for view in _views(case)]


def short(experiments):
    return sorted({id(one): one.name.partition(":")[2] for one in experiments}.values())


def make_hidden(*inners, configs=MODELS, when=lambda config: True, **settings):
    """Return an experiment that calls others as no analysis can see."""
    settings = {"strategy": ShadowStrategy, **settings}

    @experiment(configs=configs, **settings)
    def outer(config):
        return (config["model"], *(inner() for inner in inners if when(config)))

    return outer


def module(source, name="spearmint_tests_module"):
    made = types.ModuleType(name)
    vars(made).update(experiment=experiment, KS=KS, ZS=ZS, MODELS=MODELS, Shadow=ShadowStrategy)
    exec(compile(source, name, "exec"), vars(made))
    return made
