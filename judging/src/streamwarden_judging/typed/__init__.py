"""Rules checked against the contracts before they may judge: names, types, constants and cost."""
