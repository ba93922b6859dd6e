from __future__ import annotations

import pytest
from streamwarden_kafka.client_properties import parse_properties
from streamwarden_kafka.errors import MalformedPropertiesError


def test_settings_are_read_and_comments_passed_over() -> None:
    text = "# made by the operator\n\n bootstrap.servers = a:1 \nsasl.password=p=w\n  # indented\n"
    assert parse_properties(text) == {"bootstrap.servers": "a:1", "sasl.password": "p=w"}


@pytest.mark.parametrize("line", ["hunter2", "=hunter2", " = hunter2"], ids=repr)
def test_a_line_that_is_no_setting_is_named_by_its_number_alone(line: str) -> None:
    with pytest.raises(MalformedPropertiesError, match="line 2 is not name=value") as refused:
        parse_properties(f"a=b\n{line}\n")
    assert refused.value.line == 2
    assert "hunter2" not in str(refused.value)
