"""Settings of property tests."""

import os

from hypothesis import HealthCheck, settings

# No deadline: a busy machine is no failure.
settings.register_profile("test", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
# `make unit`: what is not slow takes seconds together.
settings.register_profile("quick", settings.get_profile("test"), max_examples=10)
# `make fuzz`: so many that it takes minutes. What fails is kept in .hypothesis/ and tried first the next time.
settings.register_profile("fuzz", settings.get_profile("test"), max_examples=3_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))
