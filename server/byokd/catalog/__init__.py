"""Provider records, model facts and prices, and their types."""
