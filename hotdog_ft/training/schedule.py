"""How the learning rate goes over a training, laid out step by step, so that it can be taken up anywhere."""

from __future__ import annotations

from hotdog_ft.backend import mx

WARMUP = 0.05
"""The part of the steps in which `cosine` rises from nothing to the full rate, as a fresh output layer wants."""


def learning_rates(schedule: str, lr: float, num_steps: int) -> list[float]:
    """The rate of each step. schedule: `constant`, or `cosine` down to 0 (Loshchilov and Hutter 2017)."""
    if schedule == "constant":
        return [lr] * num_steps
    warmup = round(WARMUP * num_steps)
    cosine = mx.lr_scheduler.CosineScheduler(max_update=num_steps, base_lr=lr, final_lr=0, warmup_steps=warmup)
    # The warm-up counts from 1: a rate of zero would waste the first batch.
    return [cosine(step + 1 if step < warmup else step) for step in range(num_steps)]
