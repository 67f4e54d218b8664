"""Questions about tasks, as SQL. A statement is built once for each shape of a question, and every value is bound."""
