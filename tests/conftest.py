pytest_plugins = ["support.lanes", "support.fixtures"]
