pytest_plugins = ["support.stack_fixture", "support.api_server", "support.governed"]
