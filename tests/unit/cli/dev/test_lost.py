"""What is said when policies can be published no more."""

import pytest
from streamwarden_cli.dev.run import why_lost
from streamwarden_operator.errors import CannotGoOnError, LeadershipLostError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(
            LeadershipLostError("fenced"),
            "another operator publishes this Kafka's policies now; only one can",
            id="another operator has taken over",
        ),
        pytest.param(
            CannotGoOnError("could not read 'risk.policies': 3 transactions hang: only a new process can go on"),
            "could not read 'risk.policies': 3 transactions hang: only a new process can go on. Start dev again",
            id="transactions hang",
        ),
    ],
)
def test_the_session_ends_with_what_to_do(error: CannotGoOnError, said: str) -> None:
    assert why_lost(error) == said
