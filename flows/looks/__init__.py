"""What an operator looks at: the state of a study, its quarantine, the names of regions."""
