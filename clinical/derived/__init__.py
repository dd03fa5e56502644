"""What follows from a timeline: endpoints, responses, treatments, state at a date, quality."""
