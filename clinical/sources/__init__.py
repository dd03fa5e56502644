"""From bytes to rows: text files, databases, and stretches of either, with a number for every row."""
