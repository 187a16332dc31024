"""The routes: from a request to a job and from its events to an answer, and the page's files."""
