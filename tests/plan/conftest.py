"""Hypothesis without a deadline: a busy machine is no fault of the plan."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("plan", deadline=None)
settings.load_profile("plan")
