"""Jobs: what a request to fill becomes, the queue that works it off, and the models that it needs."""
