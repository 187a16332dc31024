"""From a photo with a hole to a filled photo: crops around holes, networks run, fills pasted."""
