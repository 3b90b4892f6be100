"""Free text: what in it points to a person, and the text without it.

record ─┐
text ───┴─► the record's own ─► patterns ─► places, names ─► spans ─► masked text ─► (cloud: DLP) ─► may leave
"""
