"""Which models of Stable-Baselines3 act as their actor alone does, so that the actor can be exported without loss."""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from gymnasium import spaces
from gymnasium.wrappers import NormalizeObservation
from gymnasium.wrappers.vector import NormalizeObservation as VectorNormalizeObservation

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

__all__ = ["NAMES", "check_exportable"]

NAMES = "PPO, A2C, SAC, TQC, TD3, DDPG, DQN and QR-DQN"
"""Algorithms whose models can be exported."""


@cache
def _known() -> dict[str, frozenset[Any]]:
    """Classes whose way from an observation to an action is known: policies, features extractors, distributions.

    Greedy algorithms have a ``predict`` of their own, which takes the best action unless it explores.
    """
    from sb3_contrib import QRDQN, TQC
    from sb3_contrib.qrdqn import policies as qrdqn
    from sb3_contrib.tqc import policies as tqc
    from stable_baselines3 import A2C, DDPG, DQN, PPO, SAC, TD3
    from stable_baselines3.common import distributions
    from stable_baselines3.common.torch_layers import FlattenExtractor, MlpExtractor
    from stable_baselines3.dqn import policies as dqn
    from stable_baselines3.sac import policies as sac
    from stable_baselines3.td3 import policies as td3

    from anysense.agents.algorithms.published import PublishedPolicy
    from anysense.agents.frozen import FrozenExtractor

    kinds = (A2C, DDPG, DQN, PPO, QRDQN, SAC, TD3, TQC)
    policies = {policy for kind in kinds for policy in kind.policy_aliases.values()}
    values = {dqn.QNetwork, qrdqn.QuantileNetwork}
    return {
        "greedy algorithm": frozenset({DQN, QRDQN}),
        "policy": frozenset({*policies, PublishedPolicy}),
        "network": frozenset({MlpExtractor, sac.Actor, td3.Actor, tqc.Actor, *values}),
        "features extractor": frozenset({FlattenExtractor, FrozenExtractor}),
        "distribution of actions": frozenset(
            {
                distributions.CategoricalDistribution,
                distributions.DiagGaussianDistribution,
                distributions.SquashedDiagGaussianDistribution,
            }
        ),
    }


def check_exportable(model: "BaseAlgorithm") -> None:
    """Refuse what acts between observation and action and is no part of an exported agent.

    Raises:
        TypeError: The actions are of another kind, or the model acts through something that would be lost.
    """
    _check_spaces(model)
    name = type(model).__name__
    if getattr(model, "use_sde", False):
        raise TypeError(f"`model` is a {name} with use_sde=True, which cannot be exported; train it without.")
    normalised = model.get_vec_normalize_env()
    if normalised is not None and normalised.norm_obs:
        raise TypeError(
            "`model` was trained in a VecNormalize that normalises observations, which would be lost; use "
            "VecNormalize(..., norm_obs=False), which still normalises rewards."
        )
    if getattr(model.policy, "squash_output", False) and hasattr(model.policy, "mlp_extractor"):
        raise TypeError(f"`model` is a {name} with squash_output=True, which cannot be exported; train it without.")
    for layer in _layers(model.get_env()):
        if isinstance(layer, NormalizeObservation | VectorNormalizeObservation):
            raise TypeError(
                f"`model` was trained in a {type(layer).__name__} wrapper, which would be lost; train it without, or "
                "put what it does into the representation."
            )
    _check_classes(model)
    _check_own_code(model)


def _check_spaces(model: "BaseAlgorithm") -> None:
    space, seen, name = model.action_space, model.observation_space, type(model).__name__
    if not isinstance(space, spaces.Box) and not (isinstance(space, spaces.Discrete) and space.start == 0):
        raise TypeError(
            f"`model` is a {name} with {space} actions; only agents with Box or Discrete actions (from 0 on) can be "
            "exported."
        )
    if isinstance(seen, spaces.Box) and (seen.dtype != "float32" or len(seen.shape) != 1):
        raise TypeError(
            f"`model` is a {name} with observations {seen}; expected latents, float32 of one axis, as "
            "anysense.agents.latent.LatentVecEnv makes them, or raw ones read by a FrozenExtractor."
        )


def _check_classes(model: "BaseAlgorithm") -> None:
    from stable_baselines3.common.base_class import BaseAlgorithm

    policy: Any = model.policy
    greedy = type(model) in _known()["greedy algorithm"]
    if not (greedy or type(model).predict is BaseAlgorithm.predict) or "predict" in vars(model):
        kind = f"a {type(model).__name__}, which chooses actions in a way of its own"
        raise TypeError(f"`model` is {kind}; only {NAMES} can be exported.")
    acting = _acting(policy)
    used: list[tuple[str, Any]] = [("policy", policy), ("network", getattr(policy, "mlp_extractor", None))]
    used.append(("network", acting))
    for holder in (policy, acting):
        for key in ("features_extractor", "pi_features_extractor"):
            used.append(("features extractor", getattr(holder, key, None)))
        used.append(("distribution of actions", getattr(holder, "action_dist", None)))
    for what, found in used:
        known = _known()[what]
        if found is not None and type(found) not in known:
            advice = {
                "policy": f"use one of the policies of {NAMES} as they are",
                "features extractor": "put what it does into the representation, or train on its output through "
                "anysense.agents.latent.LatentVecEnv",
            }.get(what, "train with the usual one")
            raise TypeError(
                f"`model` has a {what} of class {type(found).__module__}.{type(found).__qualname__}, which would be "
                f"lost in an exported agent; {advice}."
            )


def _acting(policy: Any) -> Any:
    """The part of a policy that gives actions or their values; None where it is the policy itself (PPO, A2C)."""
    return next(filter(None, (getattr(policy, name, None) for name in ("actor", "q_net", "quantile_net"))), None)


def _check_own_code(model: "BaseAlgorithm") -> None:
    """Nothing was put into single objects: methods, or hooks of their modules."""
    policy: Any = model.policy
    actor = _acting(policy)
    inside = [policy.mlp_extractor.policy_net, policy.action_net] if actor is None else [actor]
    inside += [it for it in (getattr(policy, "mlp_extractor", None), getattr(policy, "features_extractor", None)) if it]
    modules = [module for it in inside for module in it.modules()]
    for owner in (model, policy, getattr(actor or policy, "action_dist", None), *modules):
        own = [name for name in getattr(owner, "__dict__", ()) if callable(getattr(type(owner), name, None))]
        if own or any(getattr(owner, hooks, None) for hooks in ("_forward_hooks", "_forward_pre_hooks")):
            what = f"a {own[0]!r} of its own" if own else "hooks"
            raise TypeError(
                f"`model` has a {type(owner).__name__} with {what}, which an exported agent would lack; remove it."
            )


def _layers(env: Any) -> Iterator[Any]:
    """Wrappers of an environment, those of each sub-environment included; worker processes show none."""
    while isinstance(env, gym.Env | gym.vector.VectorEnv) or "num_envs" in getattr(env, "__dict__", ()):
        yield env
        held = vars(env)
        for one in held.get("envs", ()):
            yield from _layers(one)
        env = held.get("venv", held.get("env"))
