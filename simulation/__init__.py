"""A multi-centre cohort of synthetic patients with known truth; knows nothing of the other rooms."""
