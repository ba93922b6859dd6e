"""Settings of property tests."""

from hypothesis import HealthCheck, settings

# No deadline: a busy machine is no failure. Fewer examples: all unit tests together take seconds.
settings.register_profile("unit", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")
