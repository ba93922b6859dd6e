"""Rules checked against the contracts before they may judge: names, types, constants, cost; values given their types."""
