"""Settings of property tests."""

import os

from hypothesis import HealthCheck, settings

# No deadline: a busy machine is no failure. Fewer examples: all unit tests together take seconds.
settings.register_profile("unit", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
# `make fuzz`: so many that it takes minutes. What fails is kept in .hypothesis/ and tried first the next time.
settings.register_profile("fuzz", settings.get_profile("unit"), max_examples=3_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unit"))
