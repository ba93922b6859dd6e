"""How decisions are judged: rules, schemas, verdicts. Pure, and the one engine of gate, operator and command."""
