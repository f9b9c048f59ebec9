"""What the cache plugin knows without doing: settings, kept replies, and the rules by which they are kept and found."""
