"""Measurements of kdns and ipamd beside servers that do less, in the same run on the same machine."""
