"""What a network's answer gets of the surroundings of its hole."""
