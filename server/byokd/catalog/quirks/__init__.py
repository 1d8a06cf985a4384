"""What a provider wants to be sent differently, by dialect."""
