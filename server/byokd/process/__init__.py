"""What the process does to itself at start: reads its environment, and hides its memory."""
