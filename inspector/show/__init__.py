"""A record as words, tables on a terminal, figures, and one page of HTML."""
