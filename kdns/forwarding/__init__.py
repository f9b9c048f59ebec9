"""What the forward plugin knows before it asks anybody: its settings, and what its TO arguments stand for."""
