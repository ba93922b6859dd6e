pytest_plugins = ["support.lanes", "support.stack_fixture", "support.brokers", "support.api_server", "support.governed"]
