"""What may be shown: small counts, and the policy of a release."""
