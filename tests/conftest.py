pytest_plugins = ["support.stack_fixture", "support.brokers", "support.api_server", "support.governed"]
