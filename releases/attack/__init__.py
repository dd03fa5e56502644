"""A release attacked as a hostile outsider would: how many subjects each attack singles out."""
