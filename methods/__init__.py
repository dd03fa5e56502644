"""Statistics without a room: arrays in, arrays out."""
