"""Windows around holes: choose them, cut them to tiles, bring answers back."""
