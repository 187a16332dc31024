"""Who may ask, how much and how fast: every request passes here before anything is done for it."""
