"""The colours of all pictures: an accent for each phenomenon, everything else neutral."""

ORANGE, BLUE, VIOLET, NEUTRAL = "#E8590C", "#1971C2", "#6741D9", "#868E96"
ORANGE_TEXT, BLUE_TEXT, VIOLET_TEXT, NEUTRAL_TEXT = "#B8430A", "#1864AB", "#5F3DC4", "#5C636A"
"""The same accents, dark enough for words on white."""
INK = "#14171B"
"""Words on bars in an accent or in grey, on a light page and on a dark one."""
BLUES = [[0.0, "#F1F3F5"], [0.3, "#A5D8FF"], [0.6, "#4DABF7"], [1.0, "#0B4A86"]]
"""From the page's own colour to the strongest blue, for shares of attention."""
DIFFERENCES = [[0.0, "#7F3B08"], [0.25, "#E08214"], [0.5, "#F7F7F7"], [0.75, "#8073AC"], [1.0, "#2D004B"]]
"""PuOr: orange is less, violet more."""
