"""How servers differ: tables of what each sends, every row with its source."""
