pytest_plugins = ["support.stack_fixture"]
