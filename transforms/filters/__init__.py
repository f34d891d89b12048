"""Rules find defects, risks and remarks in answers; policy decides what happens to the record."""
