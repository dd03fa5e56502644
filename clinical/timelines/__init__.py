"""From events to one timeline per subject: the door of staging, batches, shards and MEDS."""
