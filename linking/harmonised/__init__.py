"""Values harmonised across centres, beside the raw ones."""
